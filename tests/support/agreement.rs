//! When do two answers of chronyc say the same? Field by field, with what can be equal, what can be near, and the rest.

/// What has to be true of a pair of fields.
#[derive(Clone, Copy, Debug)]
enum Rule {
    /// The same text.
    Same,
    /// Numbers that differ by this at most; where one of them says "never", both do.
    Near(f64),
    /// Both are numbers from 0 to this.
    Within(f64),
    /// The same text, or both of these.
    SameOrOneOf(&'static [&'static str]),
}

use Rule::{Near, Same, SameOrOneOf, Within};

/// Offsets on a busy machine: a tenth of the 3 ms that one server is off.
const OFFSET: Rule = Near(0.3e-3);
/// Error bounds on a busy machine, in seconds.
const BOUND: Rule = Within(0.02);
/// The same where a whole second means that nothing is known.
const ROOT: Rule = Near(0.02);
/// Error bounds of a frequency, in ppm, which are 0 where nothing is known.
const SKEW: Rule = Within(2000.0);
/// Frequencies from a dozen samples one second apart.
const PPM: Rule = Near(50.0);
/// Samples, and seconds from the first to the last: how many are kept is each client's own affair.
const SAMPLES: Rule = Near(64.0);
/// Counts of packets: each client starts with a burst of its own.
const COUNT: Rule = Near(8.0);
/// Counts of those that passed the tests of delay, which fail at random on a busy machine.
const GOOD: Rule = Near(1e6);
/// Seconds since a good sample: on a busy machine each client finds some of them bad.
const AGO: Rule = Near(40.0);
/// A source that was never heard is "not synchronised" for chronyd 4.3, and "lacks measurements" for 4.8.
const STATE: Rule = SameOrOneOf(&["s", "M"]);

/// Columns of `chronyc -c` that need not be the same.
fn rules(command: &str) -> &'static [(usize, Rule)] {
    match command {
        "tracking" => &[
            // Reference time, correction, last offset, RMS offset, frequency, what is left of it, skew.
            (3, Near(3.0)),
            (4, OFFSET),
            (5, OFFSET),
            (6, BOUND),
            (7, PPM),
            (8, PPM),
            (9, SKEW),
            // Root delay and dispersion, interval of updates.
            (10, ROOT),
            (11, ROOT),
            (12, AGO),
        ],
        // Last sample, its offset now and as measured, bound.
        "sources" => &[(6, AGO), (7, OFFSET), (8, OFFSET), (9, BOUND)],
        // Samples, runs, span, frequency, skew, offset, deviation.
        "sourcestats" => &[(1, SAMPLES), (2, SAMPLES), (3, SAMPLES), (4, PPM), (5, PPM), (6, OFFSET), (7, ROOT)],
        // State, last sample, score, interval.
        "selectdata" => &[(0, STATE), (13, AGO), (14, Near(9.0)), (15, ROOT), (16, ROOT)],
        "ntpdata" => &[
            // Root delay and dispersion; time of its last update, offset, delay, dispersion, response time.
            (13, BOUND),
            (14, BOUND),
            (17, Near(2000.0)),
            (18, OFFSET),
            (19, ROOT),
            (20, ROOT),
            (21, BOUND),
            // Asymmetry of jitter, tests of delay.
            (22, Near(1.0)),
            (25, Within(1111.0)),
            // Sent, received, valid, good; stamps of the kernel.
            (30, COUNT),
            (31, COUNT),
            (32, COUNT),
            (33, GOOD),
            (34, COUNT),
            (35, COUNT),
        ],
        // Only what the client asked for itself.
        "serverstats" => &[(2, Near(1e9))],
        _ => &[],
    }
}

/// In what two answers to these arguments of chronyc disagree.
pub(crate) fn disagreements(arguments: &str, theirs: &str, ours: &str) -> Vec<String> {
    let words: Vec<&str> = arguments.split_whitespace().collect();
    let command = words.iter().find(|word| !word.starts_with('-')).copied().unwrap_or_default();
    let (theirs_lines, our_lines) = (theirs.lines().count(), ours.lines().count());
    if theirs_lines != our_lines {
        return vec![format!("{theirs_lines} and {our_lines} lines")];
    }
    let pairs = theirs.lines().zip(ours.lines());
    let as_values = words.contains(&"-c");
    let of_line = |(theirs, ours)| if as_values { values(command, theirs, ours) } else { shapes(theirs, ours) };
    pairs.flat_map(of_line).collect()
}

/// Comma-separated fields, each by its rule.
fn values(command: &str, theirs: &str, ours: &str) -> Vec<String> {
    let (their_fields, our_fields): (Vec<&str>, Vec<&str>) = (theirs.split(',').collect(), ours.split(',').collect());
    if their_fields.len() != our_fields.len() {
        return vec![format!("{} and {} fields: {theirs} | {ours}", their_fields.len(), our_fields.len())];
    }
    let rule = |column| rules(command).iter().find(|rule| rule.0 == column).map_or(Same, |rule| rule.1);
    let pairs = their_fields.into_iter().zip(our_fields).enumerate();
    let wrong = pairs.filter(|&(column, (theirs, ours))| !holds(rule(column), theirs, ours));
    wrong.map(|(column, (theirs, ours))| format!("column {column}: {theirs} and {ours}")).collect()
}

fn holds(rule: Rule, theirs: &str, ours: &str) -> bool {
    let numbers = || Some((number(theirs)?, number(ours)?));
    match rule {
        Same => theirs == ours,
        Near(by) => theirs == ours || numbers().is_some_and(|(a, b)| (a - b).abs() <= by),
        Within(most) => numbers().is_some_and(|(a, b)| [a, b].iter().all(|x| (0.0..=most).contains(x))),
        SameOrOneOf(these) => theirs == ours || (these.contains(&theirs) && these.contains(&ours)),
    }
}

/// A finite number; the largest one that protocol has is chronyc's "never".
fn number(text: &str) -> Option<f64> {
    text.parse().ok().filter(|number: &f64| number.is_finite() && *number != f64::from(u32::MAX))
}

/// A line for people: the same words in the same places, and numbers where there are numbers. Columns that are aligned
/// are as wide.
fn shapes(theirs: &str, ours: &str) -> Vec<String> {
    let (their_words, our_words) = (shape(theirs), shape(ours));
    let is_aligned = |line: &str| line.contains("   ") && !line.contains(" : ");
    let widths = [theirs, ours].map(|line| line.chars().count());
    if their_words != our_words {
        vec![format!("words of: {theirs} | {ours}")]
    } else if is_aligned(theirs) && widths[0] != widths[1] {
        vec![format!("widths {widths:?} of: {theirs} | {ours}")]
    } else {
        vec![]
    }
}

/// The words of a line; a number is `#`, with its unit if it is not one of those that chronyc chooses by size.
fn shape(line: &str) -> Vec<String> {
    let line = line.replace('[', " [ ").replace(']', " ] ").replace(',', " , ");
    line.split_whitespace().map(word_shape).collect()
}

fn word_shape(word: &str) -> String {
    let signed = word.trim_start_matches(['+', '-']);
    let digits_end = signed.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(signed.len());
    let (digits, unit) = signed.split_at(digits_end);
    let is_number = digits.starts_with(|c: char| c.is_ascii_digit());
    match unit {
        // The values behind it are compared, with their signs.
        _ if word == "slow" || word == "fast" => "slow/fast".into(),
        // See STATE.
        _ if word == "s" || word == "M" => "s/M".into(),
        "" | "ns" | "us" | "ms" | "s" if is_number => "#".into(),
        // Times of day.
        _ if is_number && unit.starts_with(':') => "#:#".into(),
        _ => word.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::disagreements;

    #[test]
    fn a_field_that_has_to_be_equal_is_missed() {
        let theirs = "^,x,127.0.0.12,1,0,377,4,0.003007946,0.003008351,0.000072152\n";
        assert!(disagreements("-c sources", theirs, theirs).is_empty());
        for (from, to) in [(",x,", ",+,"), ("377", "376"), ("0.003007946", "-0.003007946"), ("0.000072152", "nan")] {
            assert_eq!(disagreements("-c sources", theirs, &theirs.replace(from, to)).len(), 1, "{from} {to}");
        }
        let never = theirs.replace(",4,", ",4294967295,");
        assert_eq!(disagreements("-c sources", theirs, &never).len(), 1);
    }

    #[test]
    fn a_line_of_another_shape_is_seen() {
        let theirs = "^x 127.0.0.12                    1   0   377     4  +3008us[+3008us] +/-   72us\n";
        let near = "^x 127.0.0.12                    1   0   377     2  +2991us[ -17ns] +/-  472ns\n";
        assert!(disagreements("sources", theirs, near.replace("-17", " -17").as_str()).is_empty());
        assert_eq!(disagreements("sources", theirs, near).len(), 1, "a column is narrower");
        assert_eq!(disagreements("sources", theirs, &theirs.replace("^x", "^?")).len(), 1);
        assert_eq!(disagreements("tracking", "501 Not authorised\n", "").len(), 1);
    }
}
