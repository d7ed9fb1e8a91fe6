//! No input makes the parser panic, and what it accepts is in range.

use slewd::config::{Config, MemoryFiles, directives, parse_sources, source_options};

const LINES: usize = 100_000;

const VALUES: [&str; 24] = [
    "0",
    "1",
    "-1",
    "64",
    "1e400",
    "-inf",
    "nan",
    "0x1p9",
    "99999999999999999999",
    "a",
    "#",
    "/",
    "::1",
    "1.2.3.4/40",
    "1.2.3.4.5",
    "all",
    "interval",
    "kod",
    "F323",
    "é",
    "\0",
    "\u{85}",
    "4iburst",
    ".",
];

#[test]
fn random_and_mutated_lines_never_panic_and_never_store_nonsense() {
    let mut random = fastrand::Rng::with_seed(0x5_1e3d);
    let names: Vec<&str> = directives().map(|d| d.name).collect();
    let options: Vec<&str> = source_options().map(|o| o.name).collect();
    let files = MemoryFiles::new().with("a", "server x\n").with("1", "include 1\n");
    let mut accepted = 0;
    for _ in 0..LINES {
        let mut line = random.choice(&names).map_or_else(Vec::new, |name| name.as_bytes().to_vec());
        for _ in 0..random.usize(0..6) {
            let word = if random.bool() { random.choice(&options) } else { random.choice(&VALUES) };
            line.push(b' ');
            line.extend_from_slice(word.copied().unwrap_or_default().as_bytes());
        }
        for _ in 0..random.usize(0..3) {
            let at = random.usize(0..=line.len());
            match random.u8(0..3) {
                0 => line.insert(at, random.u8(..)),
                1 => line.truncate(at),
                _ => line.extend_from_within(..at),
            }
        }
        line.push(b'\n');
        parse_sources("f", &line);
        if let Ok(config) = Config::from_text(&files, "f", &line, random.bool()) {
            accepted += 1;
            check(&config, &line);
        }
    }
    assert!(accepted > LINES / 50, "{accepted} lines reached the checks");
}

#[test]
fn any_bytes_may_be_a_file() {
    let mut random = fastrand::Rng::with_seed(7);
    for _ in 0..2000 {
        let length = random.usize(0..3000);
        let bytes: Vec<u8> = (0..length).map(|_| random.u8(..)).collect();
        parse_sources("f", &bytes);
        drop(Config::from_text(&MemoryFiles::new(), "f", &bytes, true));
    }
}

fn check(config: &Config, line: &[u8]) {
    let line = String::from_utf8_lossy(line);
    let s = &config.settings;
    let reals =
        [s.max_distance_s, s.max_jitter_s, s.combine_limit, s.max_slew_rate_ppm, s.max_drift_ppm, s.log_change_s];
    assert!(reals.iter().all(|value| value.is_finite() && *value >= 0.0), "{line}");
    assert!(s.max_slew_rate_ppm > 0.0 && s.corr_time_ratio > 0.0 && s.min_sources >= 1, "{line}");
    for source in &config.sources {
        let o = &source.options;
        assert!((-7..=24).contains(&o.min_poll) && (o.min_poll..=24).contains(&o.max_poll), "{line}");
        assert!((1..=4).contains(&o.version) && (1..=16).contains(&o.max_sources) && o.key != Some(0), "{line}");
        let reals = [o.max_delay_s, o.max_delay_ratio, o.max_delay_dev_ratio, o.min_delay_s];
        assert!(reals.iter().all(|value| value.is_finite() && *value >= 0.0) && o.offset_s.is_finite(), "{line}");
        assert!(o.asymmetry.is_none_or(|value| value.abs() <= 0.5), "{line}");
        assert!(source.host.to_string().bytes().all(|byte| byte.is_ascii_graphic()), "{line}");
    }
}
