//! The sensor of `tempcomp`, and its file of points.

use std::io::{self, Read, Write};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::thread;

use log::{debug, warn};

use crate::config::TempCompDirective;
use crate::core::api::temp_comp::{Curve, NoPoints, Points, TempComp, parse_sensor};
use crate::daemon::files::opening::read_promptly;
use crate::daemon::os_error::plain;
use crate::sys::seccomp;

/// More than any temperature. What is longer is something else.
const MOST_BYTES: u64 = 4096;

/// More than any table of points. What is longer is something else.
const MOST_POINT_BYTES: u64 = 1 << 20;

/// The thread reads a file and parses a number.
const STACK_BYTES: usize = 64 * 1024;

/// A file that holds a temperature, such as those below /sys/class/hwmon.
///
/// The sensor is read off the main thread: a sensor on a slow bus takes most of a second, and a broken one may never answer.
#[derive(Debug)]
pub struct Thermometer {
    path: String,
    /// The log says already that the sensor cannot be read.
    is_unreadable: bool,
    /// A thread is at it.
    is_being_read: bool,
    /// Where the thread tells: eight bytes, not a number if there was none.
    told: UnixStream,
    teller: UnixStream,
}

impl Thermometer {
    /// Watches a sensor that is there, or will be.
    ///
    /// # Errors
    /// The errors of socketpair(2).
    pub fn new(place: &TempCompDirective) -> io::Result<Self> {
        let (told, teller) = UnixStream::pair()?;
        told.set_nonblocking(true)?;
        Ok(Thermometer { path: place.sensor.clone(), is_unreadable: false, is_being_read: false, told, teller })
    }

    /// Has it read; the answer makes [`Thermometer::as_fd`] readable. One that is still being read has failed.
    pub fn ask(&mut self) {
        let begun = if self.is_being_read { Err(io::ErrorKind::TimedOut.into()) } else { self.begin() };
        match begun {
            Ok(()) => self.is_being_read = true,
            Err(reason) => {
                debug!("Sensor {}: {}", self.path, plain(&reason));
                self.judge(None);
            }
        }
    }

    fn begin(&self) -> io::Result<()> {
        let (path, mut teller) = (self.path.clone(), self.teller.try_clone()?);
        let tell = move || {
            seccomp::confine_thread(&[]);
            let temperature = read(path.as_ref()).unwrap_or(f64::NAN);
            // The daemon may be gone: then nobody wants to know.
            let _ = teller.write_all(&temperature.to_ne_bytes());
        };
        thread::Builder::new().stack_size(STACK_BYTES).spawn(tell).map(drop)
    }

    /// The temperature in the sensor's unit; `None`, and one line in the log for as long as it lasts, if it could not be
    /// read. Never blocks.
    pub fn answer(&mut self) -> Option<f64> {
        let mut bytes = [0; 8];
        // The eight bytes come at once.
        (&self.told).read_exact(&mut bytes).ok()?;
        self.is_being_read = false;
        self.judge(Some(f64::from_ne_bytes(bytes)).filter(|temperature| !temperature.is_nan()))
    }

    fn judge(&mut self, read: Option<f64>) -> Option<f64> {
        let was_unreadable = std::mem::replace(&mut self.is_unreadable, read.is_none());
        if read.is_none() && !was_unreadable {
            warn!("Could not read temperature from {}", self.path);
        }
        read
    }
}

impl AsFd for Thermometer {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.told.as_fd()
    }
}

fn read(path: &Path) -> Option<f64> {
    parse_sensor(&String::from_utf8_lossy(&read_promptly(path, MOST_BYTES).ok()?))
}

/// What the file of points says; the message of a fatal error if it makes no sense.
pub fn read_points(path: &str) -> Result<Points, String> {
    let bytes = read_promptly(Path::new(path), MOST_POINT_BYTES);
    let bytes = bytes.map_err(|reason| format!("Could not open {path} : {}", plain(&reason)))?;
    Points::parse(&String::from_utf8_lossy(&bytes)).map_err(|reason| match reason {
        NoPoints::Line => format!("Could not read tempcomp point from {path}"),
        NoPoints::TooFew => format!("Not enough points in {path}"),
    })
}

/// The compensation of a place whose coefficients are in a file.
pub fn compensation(place: &TempCompDirective) -> Result<Option<TempComp>, String> {
    let Some(path) = &place.points else { return Ok(None) };
    Ok(Some(TempComp { interval: place.interval, curve: Curve::Points(read_points(path)?) }))
}

#[cfg(test)]
mod tests {
    use std::fs::OpenOptions;

    use nix::poll::{PollFd, PollFlags, poll};
    use nix::sys::stat::Mode;
    use nix::unistd::mkfifo;

    use super::*;

    fn answer(thermometer: &mut Thermometer) -> Option<f64> {
        let mut told = [PollFd::new(thermometer.as_fd(), PollFlags::POLLIN)];
        assert_eq!(poll(&mut told, 5000u16), Ok(1), "no answer");
        thermometer.answer()
    }

    #[test]
    fn a_pipe_as_sensor_keeps_nobody_waiting() {
        let path = std::env::temp_dir().join(format!("slewd-sensor-{}", std::process::id()));
        mkfifo(&path, Mode::S_IRWXU).expect("a temporary directory");
        let sensor = path.to_str().expect("a plain path").to_owned();
        let place = TempCompDirective { sensor, interval: crate::time::Span::from_secs(1), points: None };
        let mut thermometer = Thermometer::new(&place).expect("a socket pair");
        assert_eq!(thermometer.answer(), None, "nobody has asked");
        thermometer.ask();
        assert_eq!(answer(&mut thermometer), None);
        assert!(thermometer.is_unreadable && !thermometer.is_being_read);
        let _heater = OpenOptions::new().read(true).write(true).open(&path).expect("a pipe");
        thermometer.ask();
        assert_eq!(answer(&mut thermometer), None, "nothing in the pipe");
        std::fs::remove_file(&path).expect("it was there");
        std::fs::write(&path, "26500\n").expect("a temporary directory");
        thermometer.ask();
        assert_eq!(answer(&mut thermometer), Some(26_500.0));
        assert!(!thermometer.is_unreadable);
        std::fs::remove_file(&path).expect("it was there");
    }

    #[test]
    fn a_sensor_that_does_not_answer_is_not_asked_twice_at_once() {
        let place = TempCompDirective {
            sensor: "/nowhere".to_owned(),
            interval: crate::time::Span::from_secs(1),
            points: None,
        };
        let mut thermometer = Thermometer::new(&place).expect("a socket pair");
        thermometer.is_being_read = true;
        thermometer.ask();
        assert!(thermometer.is_unreadable);
        // It answers in the end.
        thermometer.teller.write_all(&12.5f64.to_ne_bytes()).expect("a socket");
        assert_eq!(answer(&mut thermometer), Some(12.5));
        assert!(!thermometer.is_unreadable && thermometer.answer().is_none());
    }
}
