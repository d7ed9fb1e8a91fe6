//! `hwtimestamp` lines.

use super::error::Fault;
use super::lex::Words;
use super::model::Config;
use crate::core::api::limits::{ANY_SIGN, MAX_INT};
use crate::core::api::network_card::{CardConfig, IS_BUILT, ReceiveFilter};
use crate::time::Span;

/// Limits of `minpoll` and `maxpoll`, log2 of seconds: two readings nearer to each other tell no speed, and a clock that is
/// not read for hours is not known any more.
const POLLS: (i64, i64) = (-6, 12);
/// Most readings that are kept.
const SAMPLES: i64 = 64;

const OPTIONS: [&str; 9] =
    ["minpoll", "maxpoll", "minsamples", "maxsamples", "precision", "txcomp", "rxcomp", "nocrossts", "rxfilter"];
const FILTERS: [(&str, ReceiveFilter); 4] = [
    ("none", ReceiveFilter::None),
    ("ntp", ReceiveFilter::Ntp),
    ("ptp", ReceiveFilter::Ptp),
    ("all", ReceiveFilter::All),
];

/// A `hwtimestamp` line. chronyd does not say which option is wrong, we do.
pub(crate) fn hw_timestamp(config: &mut Config, words: &mut Words) -> Result<(), Fault> {
    if !IS_BUILT {
        while words.next().is_some() {}
        words.notes.push(
            "line ignored: this slewd was built without stamps of network cards (feature hwtimestamp)".to_owned(),
        );
        return Ok(());
    }
    let interface = words.next().ok_or_else(|| Fault::Parse(String::new()))?;
    let mut card = CardConfig::new(interface);
    let mut max_poll = None;
    while let Some(word) = words.next() {
        let Some(name) = OPTIONS.into_iter().find(|name| name.eq_ignore_ascii_case(word)) else {
            return Err(Fault::Parse(format!("\"{word}\" is none of the options {}", OPTIONS.join(" "))));
        };
        match name {
            "nocrossts" => card.cross = false,
            "rxfilter" => card.filter = Some(filter(words)?),
            "minpoll" => card.min_poll = poll(name, words)?,
            "maxpoll" => max_poll = Some(poll(name, words)?),
            "minsamples" => card.min_samples = samples(name, words)?.max(2),
            "maxsamples" => card.max_samples = samples(name, words)?,
            "precision" => card.precision = seconds(name, words)?.abs(),
            "txcomp" => card.transmit_compensation = seconds(name, words)?,
            _ => card.receive_compensation = seconds(name, words)?,
        }
    }
    card.max_poll = max_poll.unwrap_or(card.min_poll + 1).max(card.min_poll);
    card.max_samples = card.max_samples.max(card.min_samples);
    config.network.cards.push(card);
    Ok(())
}

fn poll(name: &str, words: &mut Words) -> Result<i8, Fault> {
    let value = whole(name, (-32, 32), words)?;
    let used = value.clamp(POLLS.0, POLLS.1);
    if used != value {
        words.notes.push(format!("{name} {value} is out of range, {used} is used"));
    }
    Ok(used as i8)
}

fn samples(name: &str, words: &mut Words) -> Result<usize, Fault> {
    whole(name, (0, MAX_INT), words).map(|value| value.min(SAMPLES) as usize)
}

fn whole(name: &str, (min, max): (i64, i64), words: &mut Words) -> Result<i64, Fault> {
    let value = words.option_integer().filter(|value| (min..=max).contains(value));
    value.ok_or_else(|| Fault::Parse(format!("{name} takes a whole number from {min} to {max}")))
}

fn seconds(name: &str, words: &mut Words) -> Result<Span, Fault> {
    let value = words.option_real().ok_or_else(|| Fault::Parse(format!("{name} takes a number")))?;
    Ok(Span::from_secs_f64(words.bring_into(value, ANY_SIGN).unwrap_or(0.0)))
}

fn filter(words: &mut Words) -> Result<ReceiveFilter, Fault> {
    let word = words.next().unwrap_or_default();
    let found = FILTERS.iter().find(|(name, _)| name.eq_ignore_ascii_case(word));
    let names = || FILTERS.map(|(name, _)| name).join(" ");
    found.map(|(_, filter)| *filter).ok_or_else(|| Fault::Parse(format!("rxfilter takes one of {}", names())))
}
