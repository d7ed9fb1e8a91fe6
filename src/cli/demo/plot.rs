//! The error over time as text, on a logarithmic scale.

/// Columns of the picture. With the scale on its left it has 80.
const WIDTH: usize = 70;

/// Decades shown: from 100000 s down to 1 us.
const TOP_DECADE: i32 = 5;
const DECADES: usize = 11;

/// Draws the size of the error. `history` holds seconds since the start and error in seconds.
pub(super) fn draw(history: &[(f64, f64)]) -> String {
    let length = history.last().map_or(1.0, |(at, _)| at.max(1e-3));
    let mut rows = vec![[b' '; WIDTH]; 2 * DECADES];
    for (at, error) in history {
        let column = ((at / length * WIDTH as f64) as usize).min(WIDTH - 1);
        let below_top = f64::from(TOP_DECADE) - libm::log10(error.abs().max(1e-9));
        let row = ((2.0 * below_top).floor().max(0.0) as usize).min(rows.len() - 1);
        rows[row][column] = b'*';
    }
    let mut picture = String::from("Error of the clock:\n");
    for (index, row) in rows.iter().enumerate() {
        let label = if index % 2 == 0 { label(TOP_DECADE - index as i32 / 2) } else { String::new() };
        picture.push_str(&format!("{label:>8} |{}\n", String::from_utf8_lossy(row).trim_end()));
    }
    picture.push_str(&format!(
        "{:>8} +{}\n{:>9}0 s{:>width$.0} s",
        "",
        "-".repeat(WIDTH),
        "",
        length,
        width = WIDTH - 4
    ));
    picture
}

fn label(decade: i32) -> String {
    match decade {
        0.. => format!("{} s", 10i64.pow(decade as u32)),
        -3..0 => format!("{} ms", 10i64.pow((decade + 3) as u32)),
        _ => format!("{} us", 10i64.pow((decade + 6).max(0) as u32)),
    }
}
