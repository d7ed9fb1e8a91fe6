//! One fact of a report: its name, unit and meaning, and how chronyc prints it.
//!
//! JSON and metrics are made from name, unit and value; text and CSV from the two cells, which a layout puts in order.

use crate::report::units::{ago, ago_number, moment, ppm, unix_time, yes};
use crate::time::Utc;

/// One fact.
pub(crate) struct Field {
    /// Name of the fact, without its unit.
    pub(crate) name: &'static str,
    pub(crate) unit: Unit,
    value: Value,
    is_known: bool,
    /// Meaning of the fact; starts with a capital and ends without a full stop.
    pub(crate) help: &'static str,
    /// Cell of text, where it is not how such a value is usually printed.
    text: Option<String>,
    /// Cell of CSV, where it is not how such a value is usually printed.
    csv: Option<String>,
}

/// Unit of a number.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Unit {
    /// A number, a word or a yes or no.
    None,
    Seconds,
    /// Parts per million; a ratio among metrics.
    Ppm,
    /// Things that happened since the start.
    Total,
}

/// A value.
pub(crate) enum Value {
    Flag(bool),
    Whole(i64),
    Number(f64),
    Word(String),
    Moment(Utc),
    /// Whole seconds; `None` is never.
    Age(Option<u32>),
}

impl Field {
    /// The value; `None` if it is not known. chronyc has a number for everything, also where there is nothing to be told yet.
    pub(crate) fn known(&self) -> Option<&Value> {
        Some(&self.value).filter(|_| self.is_known)
    }

    /// Known or not.
    #[cfg(test)]
    pub(super) fn value(&self) -> &Value {
        &self.value
    }

    /// The field, known under this condition only.
    pub(super) fn only_if(self, is_known: bool) -> Field {
        Field { is_known: self.is_known && is_known, ..self }
    }

    /// chronyc prints this for people.
    pub(super) fn text(self, text: impl Into<String>) -> Field {
        Field { text: Some(text.into()), ..self }
    }

    /// chronyc prints this between commas.
    pub(super) fn csv(self, csv: impl Into<String>) -> Field {
        Field { csv: Some(csv.into()), ..self }
    }

    /// chronyc prints this for people and between commas.
    pub(super) fn cell(self, cell: impl Into<String>) -> Field {
        let cell = cell.into();
        self.text(cell.clone()).csv(cell)
    }

    /// chronyc prints this number for people and between commas with so many decimals.
    pub(super) fn decimals(self, decimals: usize) -> Field {
        match self.value {
            Value::Number(number) => self.cell(format!("{number:.decimals$}")),
            _ => self,
        }
    }

    /// chronyc prints this number for people with a sign and so many decimals.
    pub(super) fn signed_text(self, decimals: usize) -> Field {
        match self.value {
            Value::Number(number) => self.text(format!("{number:+.decimals$}")),
            _ => self,
        }
    }

    fn text_cell(&self) -> String {
        match (&self.text, &self.value) {
            (Some(text), _) => text.clone(),
            (None, Value::Moment(at)) => moment(Some(*at)),
            (None, Value::Age(age)) => ago(*age),
            (None, Value::Number(number)) if self.unit == Unit::Ppm => ppm(*number),
            (None, _) => self.usual(),
        }
    }

    fn csv_cell(&self) -> String {
        self.csv.clone().unwrap_or_else(|| self.usual())
    }

    fn usual(&self) -> String {
        match &self.value {
            Value::Flag(flag) => yes(*flag).to_owned(),
            Value::Whole(number) => number.to_string(),
            Value::Number(number) if self.unit == Unit::Ppm => format!("{number:.3}"),
            Value::Number(number) => format!("{number:.9}"),
            Value::Word(word) => word.clone(),
            Value::Moment(at) => unix_time(Some(*at)),
            Value::Age(age) => ago_number(*age).to_string(),
        }
    }
}

pub(super) fn field(name: &'static str, unit: Unit, value: Value, help: &'static str) -> Field {
    Field { name, unit, value, is_known: true, help, text: None, csv: None }
}

pub(super) fn seconds(name: &'static str, value: impl Into<Option<f64>>, help: &'static str) -> Field {
    let value = value.into();
    field(name, Unit::Seconds, Value::Number(value.unwrap_or_default()), help).only_if(value.is_some())
}

pub(super) fn ppm_of(name: &'static str, value: f64, help: &'static str) -> Field {
    field(name, Unit::Ppm, Value::Number(value), help)
}

pub(super) fn number(name: &'static str, value: f64, help: &'static str) -> Field {
    field(name, Unit::None, Value::Number(value), help)
}

pub(super) fn whole(name: &'static str, value: impl Into<i64>, help: &'static str) -> Field {
    field(name, Unit::None, Value::Whole(value.into()), help)
}

pub(super) fn total(name: &'static str, value: impl Into<i64>, help: &'static str) -> Field {
    field(name, Unit::Total, Value::Whole(value.into()), help)
}

pub(super) fn flag(name: &'static str, value: bool, help: &'static str) -> Field {
    field(name, Unit::None, Value::Flag(value), help)
}

pub(super) fn word(name: &'static str, value: impl Into<String>, help: &'static str) -> Field {
    field(name, Unit::None, Value::Word(value.into()), help)
}

pub(super) fn time(name: &'static str, value: Option<Utc>, help: &'static str) -> Field {
    field(name, Unit::None, Value::Moment(value.unwrap_or_default()), help).only_if(value.is_some())
}

/// An age in whole seconds.
pub(super) fn age(name: &'static str, value: Option<u32>, help: &'static str) -> Field {
    field(name, Unit::Seconds, Value::Age(value), help).only_if(value.is_some())
}

/// How chronyc lays out a report. `{name}` is the cell of that field, `{name:>7}` the cell in so many columns, `{title}`
/// what the subject is called. Nothing comes after `{?name}` if that field is not known.
pub(super) struct Layout {
    /// What the columns mean.
    pub(super) legend: &'static str,
    /// The head of the columns.
    pub(super) head: &'static str,
    pub(super) text: &'static str,
    /// One line of CSV, without its end.
    pub(super) csv: &'static str,
}

impl Layout {
    /// The report for people, without the head.
    pub(super) fn to_text(&self, fields: &[Field], title: &str) -> String {
        fill(self.text, fields, title, Field::text_cell)
    }

    /// The report as a line of CSV.
    pub(super) fn to_csv(&self, fields: &[Field], title: &str) -> String {
        fill(self.csv, fields, title, Field::csv_cell) + "\n"
    }
}

fn fill(template: &str, fields: &[Field], title: &str, cell: fn(&Field) -> String) -> String {
    let (start, rest) = template.split_once('{').unwrap_or((template, ""));
    let mut text = start.to_owned();
    for piece in rest.split('{').filter(|piece| !piece.is_empty()) {
        let (place, after) = piece.split_once('}').unwrap_or((piece, ""));
        let (name, columns) = place.split_once(':').unwrap_or((place, ""));
        let field = fields.iter().find(|field| field.name == name.trim_start_matches('?'));
        debug_assert!(field.is_some() || name == "title", "no field {name}");
        if name.starts_with('?') {
            if field.is_none_or(|field| field.known().is_none()) {
                break;
            }
        } else {
            let cell = field.map_or_else(|| title.to_owned(), cell);
            let width = columns.get(1..).and_then(|width| width.parse().ok()).unwrap_or(0);
            text += &if columns.starts_with('>') { format!("{cell:>width$}") } else { format!("{cell:<width$}") };
        }
        text += after;
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_layout_orders_and_pads_and_stops() {
        let fields = [whole("one", 1, ""), age("two", None, ""), ppm_of("three", 0.5, "").text("half").only_if(false)];
        let layout = Layout {
            legend: "",
            head: "",
            text: "<{two:>3}|{one:<3}|{three}>{?three} more",
            csv: "{title},{three},{two},{one}",
        };
        assert_eq!(layout.to_text(&fields, "T"), "<  -|1  |half>");
        assert_eq!(layout.to_csv(&fields, "T"), "T,0.500,4294967295,1\n");
    }
}
