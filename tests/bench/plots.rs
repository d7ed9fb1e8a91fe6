//! The pictures of docs: `cargo run --release --manifest-path tests/bench/Cargo.toml` draws them anew from all
//! scenarios, which takes as long as the benchmark of accuracy.
//!
//! Drawn at twice their size, because the coordinates are whole numbers. Each colour has a part to play, and another
//! value where people prefer dark pages.

#![allow(clippy::disallowed_methods, reason = "a benchmark may look at the machine")]

mod case;
mod scenarios;
#[allow(dead_code, reason = "the table of scores is written by the benchmark of accuracy")]
mod schedule;
#[allow(dead_code, reason = "the table of scores is written by the benchmark of accuracy")]
mod score;
#[allow(dead_code, reason = "the table of scores is written by the benchmark of accuracy")]
mod table;

use std::error::Error;
use std::ops::Range;
use std::path::Path;

use plotters::coord::Shift;
use plotters::element::DashedPathElement;
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};
use slewd::sim::World;

use case::Case;
use scenarios::SCENARIOS;
use schedule::{DEFAULT_RATIO, Plan};
use score::Summary;
use table::{SEEDS, short};

type Drawn = Result<(), Box<dyn Error>>;
type Area<'a> = DrawingArea<SVGBackend<'a>, Shift>;

const PAPER: RGBColor = RGBColor(255, 255, 255);
const INK: RGBColor = RGBColor(36, 41, 47);
const QUIET: RGBColor = RGBColor(101, 109, 118);
const GRID: RGBColor = RGBColor(225, 229, 234);
const SLEWD: RGBColor = RGBColor(9, 105, 218);
const CHRONYD: RGBColor = RGBColor(212, 125, 35);

/// The same on a dark page.
const DARK: [(RGBColor, RGBColor); 6] = [
    (PAPER, RGBColor(13, 17, 23)),
    (INK, RGBColor(230, 237, 243)),
    (QUIET, RGBColor(145, 152, 161)),
    (GRID, RGBColor(42, 49, 58)),
    (SLEWD, RGBColor(88, 166, 255)),
    (CHRONYD, RGBColor(227, 160, 79)),
];

const WIDTH: u32 = 1920;

/// Points of a line.
const POINTS: usize = 900;

fn main() -> Drawn {
    let jobs = std::thread::available_parallelism().map_or(1, usize::from);
    let plan = Plan { cases: SCENARIOS.iter().collect(), seeds: SEEDS, jobs, corr_time_ratio: DEFAULT_RATIO };
    let results: Vec<_> = plan.cases.iter().copied().zip(plan.run()).collect();
    write(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/img"), &results)
}

/// Writes all pictures to a directory.
fn write(directory: &Path, results: &[(&Case, Summary)]) -> Drawn {
    std::fs::create_dir_all(directory)?;
    let courses = picture(1240, "Error of the clock against time in four scenarios", courses)?;
    std::fs::write(directory.join("courses.svg"), courses)?;
    let published: Vec<_> = results.iter().filter(|(case, _)| !case.chronyd.rms_us.is_nan()).collect();
    let height = BARS_TOP + BARS_BOTTOM + ROW * published.len() as u32;
    let bars = picture(height, "RMS error of slewd and of chronyd", |area| bars(area, &published))?;
    std::fs::write(directory.join("chronyd.svg"), bars)?;
    Ok(())
}

/// The text of a picture.
fn picture(height: u32, title: &str, draw: impl Fn(&Area<'_>) -> Drawn) -> Result<String, Box<dyn Error>> {
    let mut svg = String::new();
    let area = SVGBackend::with_string(&mut svg, (WIDTH, height)).into_drawing_area();
    area.fill(&PAPER)?;
    draw(&area)?;
    area.present()?;
    drop(area);
    let name = |colour: RGBColor| format!("#{:02X}{:02X}{:02X}", colour.0, colour.1, colour.2);
    let dark: String = DARK
        .iter()
        .map(|(light, dark)| (name(*light), name(*dark)))
        .map(|(light, dark)| format!("[fill=\"{light}\"]{{fill:{dark}}}[stroke=\"{light}\"]{{stroke:{dark}}}"))
        .collect();
    let head = format!("<title>{title}</title>\n<style>@media(prefers-color-scheme:dark){{{dark}}}</style>\n");
    let full = format!("width=\"{WIDTH}\" height=\"{height}\"");
    let half = format!("width=\"{}\" height=\"{}\"", WIDTH / 2, height / 2);
    let svg = svg.replacen(&full, &half, 1);
    let begin = svg.find("<rect").ok_or("no background")?;
    Ok(format!("{}{head}{}", &svg[..begin], &svg[begin..]))
}

fn text(size: u32, colour: RGBColor) -> TextStyle<'static> {
    ("sans-serif", size).into_font().color(&colour)
}

fn courses(area: &Area<'_>) -> Drawn {
    let panels = area.margin(10, 10, 10, 30).split_evenly((2, 2));
    cold_start(&panels[0])?;
    course(&panels[1], "wan-1ms", "One server across a WAN, 1 ms of jitter each way", 800.0, None)?;
    let change = Some((26_000.0, "requests to one take 4 ms more"));
    course(&panels[2], "route-asym", "Four servers, one path becomes lopsided", 1000.0, change)?;
    course(&panels[3], "sine-6h", "Two servers, temperature swings every 6 h", 1600.0, None)
}

/// The first hour, both axes logarithmic.
fn cold_start(area: &Area<'_>) -> Drawn {
    let case = named("boot");
    let (begin, end) = (-2.0, 3.55);
    let powers: Vec<f64> = (0..=POINTS).map(|point| begin + (end - begin) * point as f64 / POINTS as f64).collect();
    let times_s: Vec<f64> = powers.iter().map(|power| 10f64.powf(*power)).collect();
    let errors = typical(case, &times_s);
    let points: Vec<(f64, f64)> =
        powers.into_iter().zip(errors.iter().map(|error| error.abs().max(1.0).log10())).collect();
    let mut chart = ChartBuilder::on(area)
        .margin(20)
        .caption("Cold start: an hour wrong, four servers", text(32, INK))
        .x_label_area_size(64)
        .y_label_area_size(110)
        .build_cartesian_2d(begin..end, 0.0..10.2)?;
    chart
        .configure_mesh()
        .light_line_style(TRANSPARENT)
        .bold_line_style(GRID)
        .axis_style(GRID)
        .x_labels(6)
        .y_labels(6)
        .x_label_formatter(&|at| power(*at, &["10 ms", "0.1 s", "1 s", "10 s", "100 s", "1000 s"], -2))
        .y_label_formatter(&|error| {
            let names = ["1 us", "10 us", "100 us", "1 ms", "10 ms", "0.1 s", "1 s", "10 s", "100 s", "1000 s", "3 h"];
            power(*error, &names, 0)
        })
        .label_style(text(24, QUIET))
        .draw()?;
    if let Some(&(at, _)) = points.iter().find(|(_, error)| *error < 6.0) {
        let what = format!("set {:.0} ms after the start", 1e3 * 10f64.powf(at));
        chart.draw_series([Text::new(what, (at + 0.1, 9.2), text(24, SLEWD))])?;
    }
    chart.draw_series(LineSeries::new(points, SLEWD.stroke_width(4)))?;
    Ok(())
}

/// The name of a power of ten, the first of which is given.
fn power(value: f64, names: &[&str], first: i32) -> String {
    let index = value.round() - f64::from(first);
    let is_whole = (value - value.round()).abs() < 1e-6;
    names.get(index as usize).filter(|_| is_whole && index >= 0.0).map_or(String::new(), |name| (*name).into())
}

/// The error of the whole run in microseconds, over the RMS error published of chronyd.
fn course(area: &Area<'_>, name: &str, title: &str, limit_us: f64, event: Option<(f64, &str)>) -> Drawn {
    let case = named(name);
    let hours = case.length_s / 3600.0;
    let times_s: Vec<f64> = (1..=POINTS).map(|point| case.length_s * point as f64 / POINTS as f64).collect();
    let errors = typical(case, &times_s);
    let limit_us = errors.iter().fold(limit_us, |limit, error| limit.max(1.05 * error.abs()));
    let points: Vec<(f64, f64)> = times_s.iter().map(|at_s| at_s / 3600.0).zip(errors).collect();
    let mut chart = ChartBuilder::on(area)
        .margin(20)
        .caption(title, text(32, INK))
        .x_label_area_size(64)
        .y_label_area_size(110)
        .build_cartesian_2d(0.0..hours, -limit_us..limit_us)?;
    chart
        .configure_mesh()
        .light_line_style(TRANSPARENT)
        .bold_line_style(GRID)
        .axis_style(GRID)
        .x_labels(7)
        .y_labels(9)
        .x_label_formatter(&|at| format!("{at:.0} h"))
        .y_label_formatter(&|error| if *error == 0.0 { "0".into() } else { format!("{error:+.0} us") })
        .label_style(text(24, QUIET))
        .draw()?;
    let rms_us = case.chronyd.rms_us;
    chart.draw_series([Rectangle::new([(0.0, -rms_us), (hours, rms_us)], CHRONYD.mix(0.13).filled())])?;
    for edge in [-rms_us, rms_us] {
        chart.draw_series(LineSeries::new([(0.0, edge), (hours, edge)], CHRONYD.stroke_width(2)))?;
    }
    if let Some((at_s, what)) = event {
        let at = at_s / 3600.0;
        let line = [(at, -limit_us), (at, limit_us)];
        chart.draw_series([DashedPathElement::new(line, 10, 8, QUIET.stroke_width(2))])?;
        let style = text(24, QUIET).pos(Pos::new(HPos::Right, VPos::Top));
        chart.draw_series([Text::new(what.to_string(), (at - 0.01 * hours, 0.95 * limit_us), style)])?;
    }
    chart.draw_series(LineSeries::new(points, SLEWD.stroke_width(3)))?;
    let style = text(24, CHRONYD).pos(Pos::new(HPos::Right, VPos::Top));
    chart.draw_series([Text::new(
        format!("chronyd: {rms_us:.0} us RMS"),
        (0.99 * hours, -rms_us - 0.03 * limit_us),
        style,
    )])?;
    Ok(())
}

fn named(name: &str) -> &'static Case {
    SCENARIOS.iter().find(|case| case.name == name).expect("a scenario of the table")
}

/// The error of the clock in microseconds at these times of one run: of the seed whose RMS error over the second half is
/// the median. A picture should not boast.
fn typical(case: &Case, times_s: &[f64]) -> Vec<f64> {
    let run = |seed| {
        let mut world = World::new(case.scenario(seed));
        let mut error_us = |at_s: &f64| {
            world.run_for(*at_s);
            1e6 * world.point().error_s
        };
        times_s.iter().map(&mut error_us).collect::<Vec<f64>>()
    };
    let size = |errors: &Vec<f64>| {
        let late = errors.iter().zip(times_s).filter(|(_, at_s)| **at_s > 0.5 * case.length_s);
        late.map(|(error, _)| error * error).sum::<f64>()
    };
    let mut runs: Vec<Vec<f64>> = SEEDS.map(run).collect();
    runs.sort_by(|one, other| size(one).total_cmp(&size(other)));
    runs.swap_remove(runs.len() / 2)
}

const ROW: u32 = 44;
const BARS_TOP: u32 = 120;
const BARS_BOTTOM: u32 = 70;
const BARS_LEFT: i32 = 300;
const BARS_RIGHT: i32 = 1730;

/// Decades of microseconds.
const DECADES: Range<f64> = 0.6..4.45;

fn bars(area: &Area<'_>, results: &[&(&Case, Summary)]) -> Drawn {
    let x = |us: f64| {
        let share = (us.log10() - DECADES.start) / (DECADES.end - DECADES.start);
        BARS_LEFT + (share * f64::from(BARS_RIGHT - BARS_LEFT)) as i32
    };
    let bottom = (BARS_TOP + ROW * results.len() as u32) as i32;
    area.draw_text("RMS error, medians (shorter is better)", &text(32, INK), (BARS_LEFT, 30))?;
    for (colour, name, at) in [(SLEWD, "slewd", 1420), (CHRONYD, "chronyd", 1590)] {
        area.draw(&Rectangle::new([(at, 36), (at + 28, 60)], colour.filled()))?;
        area.draw_text(name, &text(26, INK), (at + 40, 34))?;
    }
    for (us, name) in [(10.0, "10 us"), (100.0, "100 us"), (1000.0, "1 ms"), (10_000.0, "10 ms")] {
        area.draw(&PathElement::new([(x(us), BARS_TOP as i32 - 16), (x(us), bottom)], GRID.stroke_width(2)))?;
        let style = text(24, QUIET).pos(Pos::new(HPos::Center, VPos::Top));
        area.draw_text(name, &style, (x(us), bottom + 14))?;
    }
    for (row, (case, new)) in results.iter().enumerate() {
        let top = (BARS_TOP + ROW * row as u32) as i32;
        let style = text(26, INK).pos(Pos::new(HPos::Right, VPos::Center));
        area.draw_text(case.name, &style, (BARS_LEFT - 20, top + 15))?;
        for (us, colour, from) in [(new.rms_us, SLEWD, top), (case.chronyd.rms_us, CHRONYD, top + 16)] {
            area.draw(&Rectangle::new([(BARS_LEFT, from), (x(us), from + 14)], colour.filled()))?;
        }
        let style = text(22, QUIET).pos(Pos::new(HPos::Left, VPos::Center));
        let ratio = format!(
            "{} against {} us: {:.1} times",
            short(new.rms_us),
            short(case.chronyd.rms_us),
            case.chronyd.rms_us / new.rms_us
        );
        area.draw_text(&ratio, &style, (x(new.rms_us.max(case.chronyd.rms_us)) + 14, top + 15))?;
    }
    Ok(())
}
