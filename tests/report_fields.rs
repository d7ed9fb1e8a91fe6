//! One snapshot feeds text, JSON, CSV and metrics, and none of them may leave anything out.
//!
//! Every number is unlike every other and looked for in every output. Then every field, number or not, is changed, and
//! every output has to change with it. The snapshot is written without `..`, and `every_field_is_looked_for` names the fields
//! that have been forgotten here.

#![allow(missing_docs, clippy::disallowed_methods)]

use std::collections::BTreeSet;

use slewd::core::api::flaw::Flaw;
use slewd::core::api::monitoring::{
    Activity, Address, AuthData, FLAWS, Hindrance, NtpData, SelectData, SelectOptions, ServerStats, SourceData,
    SourceStats, StampedBy, Standing, Status, Tracking,
};
use slewd::core::api::snapshot::{Snapshot, SourceReport};
use slewd::report::chronyc::{self, Format, SourceList};
use slewd::report::{json, metrics, status};
use slewd::time::{Leap, Utc};

/// Every text there is, in each of the four forms.
fn outputs(snapshot: &Snapshot) -> [(&'static str, String); 4] {
    let Snapshot { tracking, activity, server, sources, .. } = snapshot;
    let reports = |format| {
        let server = server.as_ref().map(|server| chronyc::server_stats(server, format));
        let mut text = chronyc::tracking(tracking, None, format)
            + &chronyc::activity(activity, format)
            + &server.unwrap_or_default();
        for list in
            [SourceList::Data, SourceList::Stats, SourceList::Selection, SourceList::Ntp, SourceList::Authentication]
        {
            text += &chronyc::sources(sources, list, false, format);
        }
        text
    };
    let text = [status::text(snapshot, false), reports(Format::Text)];
    let values = [status::csv(snapshot), reports(Format::Csv)];
    [
        ("text", text.concat()),
        ("CSV", values.concat()),
        ("JSON", json::snapshot(snapshot)),
        ("metrics", metrics::text(snapshot)),
    ]
}

/// Hands out three digits at a time, none of them twice and none ending in 0, and remembers for whom.
struct Numbers {
    next: u32,
    small: u32,
    given: Vec<(&'static str, String)>,
}

impl Numbers {
    fn number(&mut self, name: &'static str) -> u32 {
        self.next += if self.next % 10 == 9 { 2 } else { 1 };
        assert!(self.next < 1000, "no digits left");
        self.given.push((name, self.next.to_string()));
        self.next
    }

    /// Fits into a signed byte.
    fn small(&mut self, name: &'static str) -> i8 {
        self.small += if self.small % 10 == 9 { 2 } else { 1 };
        self.given.push((name, self.small.to_string()));
        i8::try_from(self.small).expect("few are needed")
    }

    fn micros(&mut self, name: &'static str) -> f64 {
        f64::from(self.number(name)) / 1e6
    }

    /// With the decimals that the reports have.
    fn scaled(&mut self, name: &'static str, parts: f64) -> f64 {
        f64::from(self.number(name)) / parts
    }

    fn whole(&mut self, name: &'static str) -> f64 {
        f64::from(self.number(name))
    }

    fn short(&mut self, name: &'static str) -> u16 {
        self.number(name) as u16
    }
}

fn snapshot(numbers: &mut Numbers) -> Snapshot {
    let n = numbers;
    let address = Address::Ip([192, 0, 2, 1].into());
    Snapshot {
        tracking: Tracking {
            reference_id: 0xc000_0201,
            address,
            stratum: n.short("tracking.stratum"),
            leap: Some(Leap::Normal),
            reference_time: Some(Utc::from_secs(1_795_421_108)),
            correction_s: n.micros("tracking.correction_s"),
            last_offset_s: n.micros("tracking.last_offset_s"),
            rms_offset_s: n.micros("tracking.rms_offset_s"),
            frequency_ppm: n.scaled("tracking.frequency_ppm", 1e3),
            residual_frequency_ppm: n.scaled("tracking.residual_frequency_ppm", 1e3),
            skew_ppm: n.scaled("tracking.skew_ppm", 1e3),
            root_delay_s: n.micros("tracking.root_delay_s"),
            root_dispersion_s: n.micros("tracking.root_dispersion_s"),
            update_interval_s: n.scaled("tracking.update_interval_s", 10.0),
        },
        status: Some(Status {
            synchronised: false,
            hindrance: Hindrance::NoMajority,
            controls_clock: true,
            estimated_error_s: Some(n.micros("status.estimated_error_s")),
            maximum_error_s: Some(n.micros("status.maximum_error_s")),
            agreeing: n.short("status.agreeing"),
            voters: n.short("status.voters"),
            last_answer_ago_s: Some(n.whole("status.last_answer_ago_s")),
            next_poll_s: Some(n.whole("status.next_poll_s")),
            set_ago_s: Some(n.whole("status.set_ago_s")),
            uptime_s: n.whole("status.uptime_s"),
            steps: n.number("status.steps"),
            last_step_s: Some(n.micros("status.last_step_s")),
            last_step_ago_s: Some(n.whole("status.last_step_ago_s")),
            foreign_changes: n.number("status.foreign_changes"),
            version: "vers-ion".to_owned(),
            flaws: [None; FLAWS],
        }),
        activity: Activity {
            online: n.number("activity.online"),
            offline: n.number("activity.offline"),
            burst_online: n.number("activity.burst_online"),
            burst_offline: n.number("activity.burst_offline"),
            unresolved: n.number("activity.unresolved"),
        },
        server: Some(ServerStats {
            command_hits: n.number("server.command_hits").into(),
            command_drops: n.number("server.command_drops").into(),
        }),
        sources: vec![source(n, address), nameless()],
    }
}

fn source(n: &mut Numbers, address: Address) -> SourceReport {
    SourceReport {
        flaw: None,
        name: "ntp.example".into(),
        data: SourceData {
            address,
            poll: n.number("data.poll") as i16,
            stratum: n.short("data.stratum"),
            standing: Standing::Falseticker,
            // Octal for people and in CSV: see below.
            reach: 0o253,
            since_sample_s: Some(n.number("data.since_sample_s")),
            measured_offset_s: n.micros("data.measured_offset_s"),
            offset_s: n.micros("data.offset_s"),
            error_s: n.micros("data.error_s"),
        },
        stats: SourceStats {
            reference_id: 0xc000_0201,
            address,
            samples: n.number("stats.samples"),
            runs: n.number("stats.runs"),
            span_s: n.number("stats.span_s"),
            sd_s: n.micros("stats.sd_s"),
            residual_frequency_ppm: n.scaled("stats.residual_frequency_ppm", 1e3),
            skew_ppm: n.scaled("stats.skew_ppm", 1e3),
            offset_s: n.micros("stats.offset_s"),
            offset_error_s: n.micros("stats.offset_error_s"),
        },
        selection: Some(SelectData {
            reference_id: 0xc000_0201,
            address,
            state: 'x',
            authenticated: false,
            leap: Some(Leap::Normal),
            configured: SelectOptions(SelectOptions::PREFER),
            effective: SelectOptions(SelectOptions::TRUST),
            last_sample_ago_s: n.number("selection.last_sample_ago_s"),
            score: n.scaled("selection.score", 10.0),
            low_limit_s: n.micros("selection.low_limit_s"),
            high_limit_s: n.micros("selection.high_limit_s"),
        }),
        ntp: Some(ntp_data(n, address)),
        authentication: Some(AuthData {
            mode: 1,
            key_type: n.short("authentication.key_type"),
            key_id: n.number("authentication.key_id"),
            key_length: n.short("authentication.key_length"),
            attempts: n.short("authentication.attempts"),
            last_success_ago_s: Some(n.number("authentication.last_success_ago_s")),
            cookies: n.short("authentication.cookies"),
            cookie_length: n.short("authentication.cookie_length"),
            nak: false,
        }),
    }
}

fn ntp_data(n: &mut Numbers, address: Address) -> NtpData {
    NtpData {
        address,
        local_address: Address::Ip([192, 0, 2, 9].into()),
        port: n.short("ntp.port"),
        leap: Some(Leap::Normal),
        version: n.small("ntp.version") as u8,
        mode: 4,
        stratum: n.small("ntp.stratum") as u8,
        poll: n.small("ntp.poll"),
        precision: n.small("ntp.precision"),
        root_delay_s: n.micros("ntp.root_delay_s"),
        root_dispersion_s: n.micros("ntp.root_dispersion_s"),
        reference_id: 0xc000_0207,
        reference_time: Some(Utc::from_secs(1_795_421_208)),
        offset_s: n.micros("ntp.offset_s"),
        delay_s: n.micros("ntp.delay_s"),
        dispersion_s: n.micros("ntp.dispersion_s"),
        response_time_s: n.micros("ntp.response_time_s"),
        jitter_asymmetry: n.scaled("ntp.jitter_asymmetry", 100.0),
        flags: 0x3ff,
        sent_by: StampedBy::Kernel,
        received_by: StampedBy::Kernel,
        total_sent: n.number("ntp.total_sent"),
        total_received: n.number("ntp.total_received"),
        total_valid: n.number("ntp.total_valid"),
        total_good: n.number("ntp.total_good"),
        kernel_sent: n.number("ntp.kernel_sent"),
        kernel_received: n.number("ntp.kernel_received"),
        hardware_sent: n.number("ntp.hardware_sent"),
        hardware_received: n.number("ntp.hardware_received"),
    }
}

/// A reference clock of some other daemon: all that it has for a name is its reference ID.
fn nameless() -> SourceReport {
    let select = SelectData {
        reference_id: 0x4750_5300,
        address: Address::Unspecified,
        state: '-',
        authenticated: false,
        leap: Some(Leap::Normal),
        configured: SelectOptions(0),
        effective: SelectOptions(0),
        last_sample_ago_s: 0,
        score: 1.0,
        low_limit_s: 0.0,
        high_limit_s: 0.0,
    };
    let stats = SourceStats { reference_id: 0x4750_5300, ..SourceStats::default() };
    SourceReport { stats, selection: Some(select), ..SourceReport::default() }
}

/// The digits of each number in a text, without leading and trailing zeros: `0.000111000`, `+111us` and `111` are the same.
fn digits(text: &str) -> Vec<String> {
    let numbers = text.split(|c: char| !c.is_ascii_digit() && c != '.');
    numbers.map(|number| number.replace('.', "").trim_matches('0').to_owned()).collect()
}

#[test]
fn every_number_is_in_every_output() {
    let mut numbers = Numbers { next: 130, small: 110, given: Vec::new() };
    let snapshot = snapshot(&mut numbers);
    assert_eq!(numbers.given.len(), 74, "a field was added or lost");
    for (output, text) in outputs(&snapshot) {
        let found = digits(&text);
        for (name, number) in &numbers.given {
            assert!(found.contains(number), "{name}, {number}, is missing in {output}:\n{text}");
        }
        let reach = if ["text", "CSV"].contains(&output) { "253" } else { "171" };
        assert!(found.contains(&reach.to_owned()), "reach is missing in {output}:\n{text}");
    }
}

type Change = (&'static str, fn(&mut Snapshot));

/// A change of one field, by its place below a source or the snapshot.
macro_rules! changes {
    ($($($part:ident).+ $([$index:literal])? $(?$option:ident)? : $field:ident = $value:expr;)*) => {
        vec![$((
            concat!(stringify!($($part).+), $(".", stringify!($option),)? ".", stringify!($field)),
            |snapshot: &mut Snapshot| {
                #[allow(unused_variables, reason = "some values depend on the old one")]
                let part = &mut snapshot.$($part).+$([$index])?$(.$option.as_mut().expect("it is there"))?;
                part.$field = $value;
            },
        ),)*]
    };
}

fn changes() -> Vec<Change> {
    let mut changes: Vec<Change> = changes! {
        tracking: reference_id = 7;
        tracking: address = Address::Id(3);
        tracking: leap = Some(Leap::Insert);
        tracking: reference_time = Some(Utc::from_secs(1));
        sources[0]: name = "other.example".into();
        sources[0] ?ntp: leap = Some(Leap::Delete);
        sources[0] ?ntp: address = Address::Id(3);
        sources[0] ?ntp: local_address = Address::Id(3);
        sources[0] ?ntp: mode = 1;
        sources[0] ?ntp: reference_id = 7;
        sources[0] ?ntp: reference_time = Some(Utc::from_secs(1));
        sources[0] ?ntp: flags = 0x37f;
        sources[0] ?ntp: flags = 0x43ff;
        sources[0] ?ntp: flags = 0x83ff;
        sources[0] ?ntp: sent_by = StampedBy::Hardware;
        sources[0] ?ntp: received_by = StampedBy::Daemon;
        sources[0] ?selection: address = Address::Id(3);
        sources[0] ?selection: state = '~';
        sources[0] ?selection: authenticated = true;
        sources[0] ?selection: leap = None;
        sources[0] ?selection: configured = SelectOptions(SelectOptions::REQUIRE);
        sources[0] ?selection: effective = SelectOptions(SelectOptions::NO_SELECT);
        sources[1] ?selection: reference_id = 0x5050_5300;
        sources[0] ?authentication: mode = 2;
        sources[0] ?authentication: nak = true;
        sources[0] ?authentication: last_success_ago_s = None;
    };
    changes.extend([
        ("status", (|s| s.status = None) as fn(&mut Snapshot)),
        ("server", |s| s.server = None),
        ("sources", |s| s.sources.truncate(1)),
        ("status.synchronised", |s| own(s).synchronised = true),
        ("status.hindrance", |s| own(s).hindrance = Hindrance::Acquiring),
        ("status.controls_clock", |s| own(s).controls_clock = false),
        ("status.estimated_error_s", |s| own(s).estimated_error_s = None),
        ("status.maximum_error_s", |s| own(s).maximum_error_s = None),
        ("status.last_answer_ago_s", |s| own(s).last_answer_ago_s = None),
        ("status.next_poll_s", |s| own(s).next_poll_s = None),
        ("status.set_ago_s", |s| own(s).set_ago_s = None),
        ("status.last_step_s", |s| own(s).last_step_s = None),
        ("status.last_step_ago_s", |s| own(s).last_step_ago_s = None),
        ("status.version", |s| own(s).version = "other".to_owned()),
        ("data.address", |s| s.sources[0].data.address = Address::Id(3)),
        ("data.standing", |s| s.sources[0].data.standing = Standing::Combined),
        ("data.reach", |s| s.sources[0].data.reach = 1),
        ("data.since_sample_s", |s| s.sources[0].data.since_sample_s = None),
        ("stats.address", |s| s.sources[0].stats.address = Address::Id(3)),
        ("stats.reference_id", |s| s.sources[1].stats.reference_id = 0x5050_5300),
        ("sources.selection", |s| s.sources[0].selection = None),
        ("sources.ntp", |s| s.sources[0].ntp = None),
        ("sources.authentication", |s| s.sources[0].authentication = None),
        ("sources.flaw", |s| s.sources[0].flaw = Some(Flaw::Unsynchronised)),
    ]);
    changes
}

fn own(snapshot: &mut Snapshot) -> &mut Status {
    snapshot.status.as_mut().expect("it is there")
}

/// The fields of a snapshot that hold no others, as `part.field`, from how it is printed for debugging.
fn leaves(snapshot: &Snapshot) -> BTreeSet<String> {
    let text = format!("{snapshot:#?}");
    let fields = text.lines().filter_map(|line| {
        let name = line.trim_start();
        let (field, _) =
            name.split_once(": ").filter(|(name, _)| name.bytes().all(|b| b.is_ascii_lowercase() || b == b'_'))?;
        Some((line.len() - name.len(), field))
    });
    let mut path: Vec<(usize, &str)> = Vec::new();
    let mut leaves = BTreeSet::new();
    for (indent, field) in fields {
        path.retain(|(other, _)| *other < indent);
        let parent = path.last().map_or("", |(_, name)| name);
        let above = path.iter().rev().nth(1).map_or("", |(_, name)| name);
        leaves.remove(&format!("{above}.{parent}"));
        leaves.insert(format!("{parent}.{field}"));
        path.push((indent, field));
    }
    leaves
}

/// A field that is neither a number of its own nor changed would be looked for nowhere.
#[test]
fn every_field_is_looked_for() {
    let mut numbers = Numbers { next: 130, small: 110, given: Vec::new() };
    let all = leaves(&snapshot(&mut numbers));
    assert!(all.len() > 100, "{all:?}");
    let looked_for: BTreeSet<String> = (numbers.given.iter().map(|(name, _)| *name))
        .chain(changes().into_iter().map(|(name, _)| name))
        .map(|name| name.rsplitn(3, '.').take(2).collect::<Vec<_>>().into_iter().rev().collect::<Vec<_>>().join("."))
        .collect();
    // Told with each source, as its `flaw`.
    let missing: Vec<_> = all.difference(&looked_for).filter(|name| *name != "status.flaws").collect();
    assert!(missing.is_empty(), "{missing:?}");
}

#[test]
fn every_change_shows_in_every_output() {
    let mut numbers = Numbers { next: 130, small: 110, given: Vec::new() };
    let before = snapshot(&mut numbers);
    for (name, change) in changes() {
        let mut after = before.clone();
        change(&mut after);
        for ((output, old), (_, new)) in outputs(&before).into_iter().zip(outputs(&after)) {
            assert!(old != new, "a change of {name} does not show in {output}");
        }
    }
}

/// docs/metrics.md lists what there is; `SLEWD_WRITE_MANUAL=1 cargo test --test report_fields` writes the list anew.
#[test]
fn the_manual_lists_every_metric() {
    let page = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/metrics.md");
    let mut numbers = Numbers { next: 130, small: 110, given: Vec::new() };
    let text = metrics::text(&snapshot(&mut numbers)) + &metrics::written(slewd::time::BUILD_EPOCH);
    let mut lines = text.lines().peekable();
    let mut table = String::from("| name | type | meaning |\n|---|---|---|\n");
    while let Some(line) = lines.next() {
        let Some((name, help)) = line.strip_prefix("# HELP ").and_then(|help| help.split_once(' ')) else { continue };
        let kind = lines.next().and_then(|line| line.rsplit(' ').next()).expect("a type");
        table.push_str(&format!("| `{name}` | {kind} | {help} |\n"));
    }
    let old = std::fs::read_to_string(page).expect("the page is there");
    let (before, _) = old.split_once("| name |").expect("a table");
    let new = format!("{before}{table}");
    if std::env::var_os("SLEWD_WRITE_MANUAL").is_some() {
        std::fs::write(page, new).expect("the page can be written");
        return;
    }
    assert!(old == new, "run SLEWD_WRITE_MANUAL=1 cargo test --test report_fields");
}

/// What is not known is said to be so, and no zero stands for it.
#[test]
fn unknown_is_not_zero() {
    let nothing = Snapshot { status: Some(Status::default()), ..Snapshot::default() };
    let other_daemon = Snapshot::default();
    for snapshot in [&nothing, &other_daemon] {
        let [text, values, objects, samples] = outputs(snapshot).map(|(_, output)| output);
        assert!(text.contains("Error           unknown\n"), "{text}");
        assert!(!values.contains("maximum_error_s,0"), "{values}");
        assert!(!objects.contains("\"maximum_error_s\":0"), "{objects}");
        assert!(!samples.contains("slewd_status_maximum_error_seconds"), "{samples}");
    }
    assert!(json::snapshot(&nothing).contains("\"maximum_error_s\":null"));
    // The zeros with which the protocol fills what has not been measured.
    let unasked = SourceReport {
        selection: nameless().selection.map(|data| SelectData { leap: None, ..data }),
        ntp: Some(NtpData::default()),
        ..SourceReport::default()
    };
    let unasked = Snapshot { sources: vec![unasked], ..Snapshot::default() };
    let [text, values, objects, samples] = outputs(&unasked).map(|(_, output)| output);
    assert!(text.contains(" ppm slow\n"), "{text}");
    for (name, metric) in [
        ("skew_ppm", "slewd_tracking_skew_ratio"),
        ("root_delay_s", "slewd_tracking_root_delay_seconds"),
        ("offset_s", "slewd_source_offset_seconds"),
        ("measured_offset_s", "slewd_source_measured_offset_seconds"),
        ("sd_s", "slewd_source_stats_sd_seconds"),
        ("low_limit_s", "slewd_source_selection_low_limit_seconds"),
        ("delay_s", "slewd_source_ntp_delay_seconds"),
        ("stratum", "slewd_source_ntp_stratum"),
    ] {
        assert!(!objects.contains(&format!("\"{name}\":0")), "{name}: {objects}");
        assert!(!values.contains(&format!(".{name},0")), "{name}: {values}");
        assert!(!samples.contains(metric), "{metric}: {samples}");
    }
    assert!(json::snapshot(&other_daemon).contains("{\"version\":1,\"status\":null,"));
}
