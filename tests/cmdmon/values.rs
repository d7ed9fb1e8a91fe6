//! The fields of reports by the names that the recordings give them.

use slewd::core::api::monitoring::{Address, StampedBy, Standing};
use slewd::time::{Leap, Utc};
use slewd::wire::cmdmon::reply::Body;

/// A field of a report, as the recording has it.
#[derive(Debug)]
pub(crate) enum Value {
    Text(String),
    Number(f64),
}

impl Value {
    pub(crate) fn is(&self, recorded: &str) -> bool {
        match self {
            Value::Text(text) => text == recorded,
            // Nine digits were written down.
            Value::Number(number) => {
                let recorded: f64 = recorded.parse().expect("a number");
                (number - recorded).abs() <= 6e-9 * recorded.abs()
            }
        }
    }
}

/// The field of a report by the name that the recording gives it; `None` for what a client has no use for.
pub(crate) fn value_of(body: &Body, name: &str) -> Option<Value> {
    Some(match (body, name) {
        (Body::SourceCount(count), "n_sources") => number(*count),
        (Body::SourceData(report), _) => match name {
            "ip_addr" => address(report.address),
            "poll" => number(report.poll),
            "stratum" => number(report.stratum),
            "state" => number(match report.standing {
                Standing::Selected => 0,
                Standing::Unselectable => 1,
                Standing::Falseticker => 2,
                Standing::Jittery => 3,
                Standing::Combined => 4,
                Standing::NotCombined => 5,
            }),
            "reachability" => text(format!("{:o}(octal)", report.reach)),
            "since_sample" => age(report.since_sample_s),
            "orig_latest_meas" => number(report.measured_offset_s),
            "latest_meas" => number(report.offset_s),
            "latest_meas_err" => number(report.error_s),
            _ => return None,
        },
        (Body::Tracking(report), _) => match name {
            "ref_id" => id(report.reference_id),
            "ip_addr" => address(report.address),
            "stratum" => number(report.stratum),
            "leap" => leap(report.leap),
            "ref_time" => time(report.reference_time),
            "current_correction" => number(report.correction_s),
            "last_offset" => number(report.last_offset_s),
            "rms_offset" => number(report.rms_offset_s),
            "freq_ppm" => number(report.frequency_ppm),
            "resid_freq_ppm" => number(report.residual_frequency_ppm),
            "skew_ppm" => number(report.skew_ppm),
            "root_delay" => number(report.root_delay_s),
            "root_dispersion" => number(report.root_dispersion_s),
            "last_update_interval" => number(report.update_interval_s),
            _ => return None,
        },
        (Body::SourceStats(report), _) => match name {
            "ref_id" => id(report.reference_id),
            "ip_addr" => address(report.address),
            "n_samples" => number(report.samples),
            "n_runs" => number(report.runs),
            "span_seconds" => number(report.span_s),
            "sd" => number(report.sd_s),
            "resid_freq_ppm" => number(report.residual_frequency_ppm),
            "skew_ppm" => number(report.skew_ppm),
            "est_offset" => number(report.offset_s),
            "est_offset_err" => number(report.offset_error_s),
            _ => return None,
        },
        (Body::Activity(report), _) => number(match name {
            "online" => report.online,
            "offline" => report.offline,
            "burst_online" => report.burst_online,
            "burst_offline" => report.burst_offline,
            "unresolved" => report.unresolved,
            _ => return None,
        }),
        (Body::NtpData(report), _) => match name {
            "remote_addr" => address(report.address),
            "local_addr" => address(report.local_address),
            "remote_port" => number(report.port),
            "leap" => leap(report.leap),
            "version" => number(report.version),
            "mode" => number(report.mode),
            "stratum" => number(report.stratum),
            "poll" => number(report.poll),
            "precision" => number(report.precision),
            "root_delay" => number(report.root_delay_s),
            "root_dispersion" => number(report.root_dispersion_s),
            "ref_id" => id(report.reference_id),
            "ref_time" => time(report.reference_time),
            "offset" => number(report.offset_s),
            "peer_delay" => number(report.delay_s),
            "peer_dispersion" => number(report.dispersion_s),
            "response_time" => number(report.response_time_s),
            "jitter_asymmetry" => number(report.jitter_asymmetry),
            "flags" => text(format!("{:04x}", report.flags)),
            "tx_tss_char" => stamp(report.sent_by),
            "rx_tss_char" => stamp(report.received_by),
            "total_tx" => number(report.total_sent),
            "total_rx" => number(report.total_received),
            "total_valid" => number(report.total_valid),
            "total_good" => number(report.total_good),
            "kernel_tx" => number(report.kernel_sent),
            "kernel_rx" => number(report.kernel_received),
            "hw_tx" => number(report.hardware_sent),
            "hw_rx" => number(report.hardware_received),
            _ => return None,
        },
        (Body::SelectData(report), _) => match name {
            "ref_id" => id(report.reference_id),
            "ip_addr" => address(report.address),
            "state_char" => text(format!("'{}'", report.state)),
            "authentication" => number(report.authenticated),
            "leap" => leap(report.leap),
            "conf_options" => number(report.configured.0),
            "eff_options" => number(report.effective.0),
            "last_sample_ago" => number(report.last_sample_ago_s),
            "score" => number(report.score),
            "lo_limit" => number(report.low_limit_s),
            "hi_limit" => number(report.high_limit_s),
            _ => return None,
        },
        (Body::AuthData(report), _) => match name {
            "mode" => number(report.mode),
            "key_type" => number(report.key_type),
            "key_id" => number(report.key_id),
            "key_length" => number(report.key_length),
            "ke_attempts" => number(report.attempts),
            "last_ke_ago" => age(report.last_success_ago_s),
            "cookies" => number(report.cookies),
            "cookie_length" => number(report.cookie_length),
            "nak" => number(report.nak),
            _ => return None,
        },
        _ => return None,
    })
}

fn number(value: impl Into<f64>) -> Value {
    Value::Number(value.into())
}

fn text(value: impl ToString) -> Value {
    Value::Text(value.to_string())
}

fn id(value: u32) -> Value {
    text(format!("{value:08x}"))
}

fn address(value: Address) -> Value {
    match value {
        Address::Unspecified => text("UNSPEC"),
        Address::Ip(address) => text(address),
        Address::Id(number) => text(format!("ID#{number}")),
        Address::Clock(id) => text(id),
    }
}

fn leap(value: Option<Leap>) -> Value {
    number(match value {
        Some(Leap::Normal) => 0,
        Some(Leap::Insert) => 1,
        Some(Leap::Delete) => 2,
        None => 3,
    })
}

fn age(value: Option<u32>) -> Value {
    number(value.unwrap_or(u32::MAX))
}

fn time(value: Option<Utc>) -> Value {
    let nanos = value.map_or(0, |utc| utc.nanos());
    text(format!("{}.{:09}", nanos / 1_000_000_000, nanos % 1_000_000_000))
}

fn stamp(value: StampedBy) -> Value {
    text(match value {
        StampedBy::Nobody => "0",
        StampedBy::Daemon => "'D'",
        StampedBy::Kernel => "'K'",
        StampedBy::Hardware => "'H'",
    })
}
