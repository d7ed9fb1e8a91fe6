//! Text for people: no wider than a screen.

/// The columns of a screen that nobody has made wider.
const COLUMNS: usize = 80;
/// Lines that have no columns of their own go on this far from the left.
const HANGING: usize = 4;
/// The last column of a table does not begin further to the right than this: there would be no room for it.
const LAST_COLUMN: usize = 40;

/// The text with long lines broken between words. They go on below the beginning of their last column.
pub(super) fn fitted(text: &str) -> String {
    let mut fitted = String::with_capacity(text.len());
    for line in text.split_inclusive('\n') {
        let indent = if visible(line) > COLUMNS { " ".repeat(last_column(line)) } else { String::new() };
        let mut used = 0;
        // Words with the blanks before them, so that columns stay where they are.
        let mut rest = line.trim_end_matches('\n');
        while !rest.is_empty() {
            let blanks = rest.len() - rest.trim_start_matches(' ').len();
            let end = rest[blanks..].find(' ').map_or(rest.len(), |end| blanks + end);
            let (word, after) = rest.split_at(end);
            if used > indent.len() && used + visible(word) > COLUMNS {
                fitted.push('\n');
                fitted.push_str(&indent);
                fitted.push_str(&word[blanks..]);
                used = indent.len() + visible(&word[blanks..]);
            } else {
                fitted.push_str(word);
                used += visible(word);
            }
            rest = after;
        }
        if line.ends_with('\n') {
            fitted.push('\n');
        }
    }
    fitted
}

/// Characters that take a place on the screen: colours do not.
fn visible(text: &str) -> usize {
    let mut is_colour = false;
    let counts = |c: &char| {
        let was_colour = is_colour;
        is_colour = if is_colour { *c != 'm' } else { *c == '\x1b' };
        !was_colour && *c != '\x1b' && *c != '\n'
    };
    text.chars().filter(counts).count()
}

/// Where the last column of a line begins: after two blanks or more.
fn last_column(line: &str) -> usize {
    let starts = line.match_indices(|c| c != ' ').filter(|(at, _)| *at >= 2 && line[..*at].ends_with("  "));
    starts.map(|(at, _)| visible(&line[..at])).rfind(|at| (HANGING..=LAST_COLUMN).contains(at)).unwrap_or(HANGING)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::{commands, flags};

    #[test]
    fn a_long_line_goes_on_below_its_last_column() {
        let line = format!("  wait          {}\n", "until the clock is synchronised ".repeat(4).trim_end());
        let lines = fitted(&line);
        let mut lines = lines.lines();
        assert_eq!(lines.next().map(str::len), Some(79));
        assert!(lines.all(|line| line.starts_with(&" ".repeat(16)) && !line.starts_with(&" ".repeat(17))));
        let words = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
        assert_eq!(words(&fitted(&line)), words(&line));
    }

    #[test]
    fn every_help_fits() {
        let helps = commands::TABLE.iter().filter_map(|row| commands::long_help(row.name));
        for help in helps.chain([flags::help()]) {
            assert!(fitted(&help).lines().all(|line| line.chars().count() <= COLUMNS), "{help}");
        }
    }

    #[test]
    fn what_fits_stays_and_colours_take_no_room() {
        let coloured = format!("\x1b[31mNOT synchronised\x1b[0m: {}\n", "x ".repeat(31).trim_end());
        assert_eq!(fitted(&coloured), coloured);
        assert_eq!(fitted(""), "");
        assert_eq!(fitted("a\n\nb"), "a\n\nb");
        let endless = "x".repeat(100);
        assert_eq!(fitted(&endless), endless, "a word is not broken");
    }
}
