//! The words of a recorded line, read back.

use std::str::{FromStr, SplitAsciiWhitespace};

use slewd::core::api::command::Applied;
use slewd::core::api::exchange::{ExchangeId, Stamp, StampSource, Undelivered};
use slewd::core::api::flaw::Flaw;
use slewd::core::api::reference_clock::{DeviceTime, Moment, Reading};
use slewd::core::api::settings::Mode;
use slewd::core::estimate::{FrequencyPrior, WanderPrior};
use slewd::time::{ClockReading, Leap, Raw, Span, Utc};

/// The words of a line that have not been read.
pub(crate) struct Words<'a>(SplitAsciiWhitespace<'a>);

impl<'a> Words<'a> {
    pub(crate) fn of(line: &'a str) -> Self {
        Words(line.split_ascii_whitespace())
    }

    pub(crate) fn next<T: FromStr>(&mut self) -> Result<T, String> {
        let word = self.0.next().ok_or("the line is too short")?;
        word.parse().map_err(|_| format!("{word:?} makes no sense here"))
    }

    pub(crate) fn optional<T: FromStr>(&mut self) -> Result<Option<T>, String> {
        let word: String = self.next()?;
        if word == "-" { Ok(None) } else { Words::of(&word).next().map(Some) }
    }

    pub(crate) fn rest(&mut self) -> Vec<&'a str> {
        self.0.by_ref().collect()
    }

    pub(crate) fn flag(&mut self) -> Result<bool, String> {
        Ok(self.next::<u8>()? == 1)
    }

    pub(crate) fn span(&mut self) -> Result<Span, String> {
        Ok(Span::from_nanos(self.next()?))
    }

    pub(crate) fn clocks(&mut self) -> Result<ClockReading, String> {
        let (raw, utc) = (Raw::from_nanos(self.next()?), Utc::from_nanos(self.next()?));
        Ok(ClockReading { raw, utc, width: self.span()?, slept: self.span()? })
    }

    pub(crate) fn prior(&mut self) -> Result<FrequencyPrior, String> {
        let (frequency, sd) = (self.next()?, self.next()?);
        let wander = WanderPrior { log10_centre: self.next()?, log10_width: self.next()? };
        Ok(FrequencyPrior { frequency, sd, wander })
    }

    pub(crate) fn mode(&mut self) -> Result<Mode, String> {
        match self.next::<char>()? {
            'd' => Ok(Mode::Discipline),
            'q' => Ok(Mode::SetOnce),
            'Q' => Ok(Mode::MeasureOnce),
            other => Err(format!("there is no mode {other}")),
        }
    }

    pub(crate) fn exchange(&mut self) -> Result<ExchangeId, String> {
        Ok(ExchangeId(self.next()?))
    }

    pub(crate) fn stamp(&mut self) -> Result<Stamp, String> {
        let at = Raw::from_nanos(self.next()?);
        let source = match self.next::<char>()? {
            'd' => StampSource::Daemon,
            'k' => StampSource::Kernel,
            'h' => StampSource::Hardware,
            other => return Err(format!("nobody who stamps is called {other}")),
        };
        Ok(Stamp { at, source, margin: self.span()? })
    }

    pub(crate) fn undelivered(&mut self) -> Result<Undelivered, String> {
        match self.next::<i32>()? {
            -1 => Ok(Undelivered::PortClosed),
            -2 => Ok(Undelivered::AddressGone),
            code => flaw(code).map(Undelivered::NeverLeft),
        }
    }

    pub(crate) fn leap(&mut self) -> Result<Leap, String> {
        Leap::from_indicator(self.next()?).ok_or_else(|| "there is no such leap indicator".to_owned())
    }

    pub(crate) fn reading(&mut self) -> Result<Reading, String> {
        let at = match self.next::<String>()?.as_str() {
            "nothing" => return Ok(Reading::Nothing),
            "absent" => return Ok(Reading::Absent),
            "unwell" => return flaw(self.next()?).map(Reading::Unwell),
            "utc" => Moment::System(Utc::from_nanos(self.next()?)),
            "raw" => Moment::Counter(Raw::from_nanos(self.next()?)),
            other => return Err(format!("there is no reading {other:?}")),
        };
        Ok(Reading::Time(DeviceTime {
            at,
            time: Utc::from_nanos(self.next()?),
            margin: self.span()?,
            is_pulse: self.flag()?,
            leap: self.leap()?,
            precision: self.optional()?,
        }))
    }

    pub(crate) fn applied(&mut self) -> Result<Applied, String> {
        Ok(match self.next::<String>()?.as_str() {
            "stepped" => Applied::Stepped { by: self.span()? },
            "steered" => Applied::Steered { frequency: self.next()?, phase: self.span()?, time_constant: self.next()? },
            "reported" => Applied::Reported,
            "tai" => Applied::TaiSet { tai_s: self.next()? },
            "observed" => Applied::Observed { is_step: self.flag()? },
            "failed" => Applied::Failed { disobeys: self.flag()? },
            other => return Err(format!("a clock command cannot become {other:?}")),
        })
    }
}

/// The bytes behind hexadecimal digits.
pub(crate) fn bytes(digits: &str) -> Result<Vec<u8>, String> {
    let byte = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok();
    let bytes: Option<Vec<u8>> =
        digits.as_bytes().chunks(2).map(|pair| byte(pair).filter(|_| pair.len() == 2)).collect();
    bytes.ok_or_else(|| format!("{digits:?} are not the digits of bytes"))
}

fn flaw(code: i32) -> Result<Flaw, String> {
    let flaw = Flaw::ALL.iter().find(|flaw| i32::from(**flaw as u8) == code);
    flaw.copied().ok_or_else(|| format!("there is no flaw {code}"))
}
