//! The sensor of `tempcomp`, and its file of points.

use std::fs;

use log::warn;

use crate::config::Thermometer as Place;
use crate::core::temperature::{Curve, NoPoints, Points, TempComp, parse_sensor};
use crate::daemon::drift_file::plain;

/// A file that holds a temperature, such as those below /sys/class/hwmon.
pub struct Thermometer {
    path: String,
    /// This has been said.
    is_unreadable: bool,
}

impl Thermometer {
    /// It is there, or will be.
    pub fn new(place: &Place) -> Self {
        Thermometer { path: place.sensor.clone(), is_unreadable: false }
    }

    /// The temperature in the sensor's unit; `None`, and one line in the log for as long as it lasts, if it cannot be read.
    pub fn read(&mut self) -> Option<f64> {
        let read = fs::read(&self.path).ok().and_then(|bytes| parse_sensor(&String::from_utf8_lossy(&bytes)));
        let was_unreadable = std::mem::replace(&mut self.is_unreadable, read.is_none());
        if read.is_none() && !was_unreadable {
            warn!("Could not read temperature from {}", self.path);
        }
        read
    }
}

/// What the file of points says; the message of a fatal error if it makes no sense.
pub fn read_points(path: &str) -> Result<Points, String> {
    let text = fs::read_to_string(path).map_err(|reason| format!("Could not open {path} : {}", plain(&reason)))?;
    Points::parse(&text).map_err(|reason| match reason {
        NoPoints::Line => format!("Could not read tempcomp point from {path}"),
        NoPoints::TooFew => format!("Not enough points in {path}"),
    })
}

/// The compensation of a place whose coefficients are in a file.
pub fn compensation(place: &Place) -> Result<Option<TempComp>, String> {
    let Some(path) = &place.points else { return Ok(None) };
    Ok(Some(TempComp { interval: place.interval, curve: Curve::Points(read_points(path)?) }))
}
