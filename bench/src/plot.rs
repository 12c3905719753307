//! The results as a picture: for each row that Linux has, too, what share of Linux's figure capOS needs.

use crate::results::Measured;
use crate::table::number;

/// Height of a row's place.
const ROW: f64 = 26.0;
/// Width of the names' column.
const NAMES: f64 = 190.0;
/// Width of the bars' column: Linux's figure.
const BARS: f64 = 420.0;
/// Width of the figures' column.
const FIGURES: f64 = 210.0;
/// Height of the heading.
const HEADING: f64 = 40.0;

/// Draws the picture, in SVG. Only rows of instructions and bytes: there, less is better.
pub fn draw(rows: &[Measured]) -> String {
    let rows: Vec<(&Measured, f64)> = rows
        .iter()
        .filter(|row| row.unit == "instructions" || row.unit == "bytes")
        .filter_map(|row| Some((row, row.ratio?)))
        .collect();
    let (width, height) = (NAMES + BARS + FIGURES, HEADING + ROW * rows.len() as f64 + 10.0);
    let mut picture = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height}\" font-family=\"sans-serif\" font-size=\"13\">\n\
         <rect width=\"{width}\" height=\"{height}\" fill=\"#ffffff\"/>\n\
         <text x=\"{NAMES}\" y=\"22\" fill=\"#333333\">capOS (dark), as a share of Linux (light = 100 %)</text>\n"
    );
    for (index, (row, ratio)) in rows.iter().enumerate() {
        picture += &bar(row, *ratio, HEADING + ROW * index as f64);
    }
    picture + "</svg>\n"
}

fn bar(row: &Measured, ratio: f64, top: f64) -> String {
    let (text, share) = (top + 17.0, (BARS * ratio.min(1.0)).max(1.0));
    let linux = row.linux.map(number).unwrap_or_default();
    let figures = format!("{} of {linux}", number(row.capos));
    format!(
        "<text x=\"{}\" y=\"{text}\" text-anchor=\"end\" fill=\"#333333\">{}</text>\n\
         <rect x=\"{NAMES}\" y=\"{}\" width=\"{BARS}\" height=\"{}\" fill=\"#d8dee9\"/>\n\
         <rect x=\"{NAMES}\" y=\"{}\" width=\"{share:.1}\" height=\"{}\" fill=\"#2e5c8a\"/>\n\
         <text x=\"{}\" y=\"{text}\" fill=\"#333333\">{figures}</text>\n",
        NAMES - 8.0,
        row.name,
        top + 4.0,
        ROW - 8.0,
        top + 4.0,
        ROW - 8.0,
        NAMES + BARS + 8.0,
    )
}

#[cfg(test)]
mod test {
    use super::*;

    fn row(name: &str, unit: &str, linux: Option<f64>) -> Measured {
        let ratio = linux.map(|linux| 50.0 / linux);
        Measured { name: name.into(), unit: unit.into(), capos: 50.0, linux, ratio, verified: true }
    }

    #[test]
    fn a_bar_is_as_long_as_the_share() {
        let picture =
            draw(&[row("a", "instructions", Some(200.0)), row("b", "instructions", None), row("c", "s", None)]);
        assert!(picture.contains("width=\"105.0\"") && picture.contains("50 of 200"));
        assert_eq!(picture.matches("<rect").count(), 3, "background, Linux, capOS");
    }
}
