//! chronyc's reports (chronyc(1)): text and CSV to the byte, as people compare them and scripts cut them by column; and
//! JSON (RFC 8259) with the same facts.

use crate::core::api::monitoring::{Activity, ServerStats, Tracking};
use crate::core::api::snapshot::SourceReport;
use crate::report::field::{Field, Layout};
use crate::report::fields::{self, ACTIVITY, SERVER_STATS, TRACKING};
use crate::report::json;
use crate::report::source_fields::{self, AUTH_DATA, NTP_DATA, SELECT_DATA, SOURCE_STATS, SOURCES};
use crate::report::units::{title, who};

/// How a report is printed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Format {
    /// For people.
    Text,
    /// Comma-separated values, as `chronyc -c` prints them.
    Csv,
    /// With units in the names; what is not known is `null`.
    Json,
}

/// The reports about each source.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum SourceList {
    /// `sources`.
    Data,
    /// `sourcestats`.
    Stats,
    /// `selectdata`.
    Selection,
    /// `ntpdata`.
    Ntp,
    /// `authdata`.
    Authentication,
}

/// `tracking`. `name`: of the selected source, if names are wanted.
pub fn tracking(tracking: &Tracking, name: Option<&str>, format: Format) -> String {
    let title = name.map_or_else(|| who(tracking.address, tracking.reference_id), str::to_owned);
    print(&TRACKING, &fields::tracking(tracking), &title, format)
}

/// `activity`.
pub fn activity(activity: &Activity, format: Format) -> String {
    print(&ACTIVITY, &fields::activity(activity), "", format)
}

/// `serverstats`.
pub fn server_stats(stats: &ServerStats, format: Format) -> String {
    print(&SERVER_STATS, &fields::server_stats(stats), "", format)
}

/// What is known of these sources. Those of which it is not known have no line of text and CSV, and a name in JSON.
pub fn sources(sources: &[SourceReport], list: SourceList, by_name: bool, format: Format) -> String {
    let layout = list.layout();
    match format {
        Format::Text => {
            sources.iter().fold(layout.head.to_owned(), |text, source| text + &line(source, list, by_name, format))
        }
        Format::Csv => sources.iter().map(|source| line(source, list, by_name, format)).collect(),
        Format::Json => json::sources(sources.iter().map(|source| (source, list.fields(source)))),
    }
}

/// What is known of one source, without the head of the list.
pub fn line(source: &SourceReport, list: SourceList, by_name: bool, format: Format) -> String {
    let Some(fields) = list.fields(source) else { return String::new() };
    let (address, reference_id) = match (list, &source.selection) {
        (SourceList::Stats, _) => (source.stats.address, source.stats.reference_id),
        (SourceList::Selection, Some(data)) => (data.address, data.reference_id),
        _ => (source.data.address, 0),
    };
    print(list.layout(), &fields, &title(source, by_name, address, reference_id), format)
}

fn print(layout: &Layout, fields: &[Field], title: &str, format: Format) -> String {
    match format {
        Format::Text => layout.to_text(fields, title),
        Format::Csv => layout.to_csv(fields, title),
        Format::Json => json::object(fields),
    }
}

impl SourceList {
    /// What the columns mean.
    pub fn legend(self) -> &'static str {
        self.layout().legend
    }

    fn layout(self) -> &'static Layout {
        match self {
            SourceList::Data => &SOURCES,
            SourceList::Stats => &SOURCE_STATS,
            SourceList::Selection => &SELECT_DATA,
            SourceList::Ntp => &NTP_DATA,
            SourceList::Authentication => &AUTH_DATA,
        }
    }

    fn fields(self, source: &SourceReport) -> Option<Vec<Field>> {
        match self {
            SourceList::Data => Some(source_fields::source_data(&source.data)),
            SourceList::Stats => Some(source_fields::source_stats(&source.stats)),
            SourceList::Selection => source.selection.as_ref().map(source_fields::select_data),
            SourceList::Ntp => source.ntp.as_ref().map(source_fields::ntp_data),
            SourceList::Authentication => source.authentication.as_ref().map(|data| {
                let address = source_fields::source_data(&source.data).into_iter().take(1);
                address.chain(source_fields::auth_data(data)).collect()
            }),
        }
    }
}
