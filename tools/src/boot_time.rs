//! How long the kernel takes to boot, stage by stage: read from its log, drawn as a picture.

use anyhow::{Context, Result, ensure};
use std::fmt::Write;

/// What stands before the stages in the kernel's log.
const STAGES: &str = "boot: stages ";
/// What stands behind the number of ticks, on the line before.
const TOTAL: &str = " ticks from the entry to init";

/// The picture's measures in pixels.
const WIDTH: f64 = 760.0;
const NAMES: f64 = 100.0;
const FIGURES: f64 = 130.0;
const ROW: f64 = 24.0;
const BAR: f64 = 14.0;
const HEAD: f64 = 36.0;

/// A measured boot. One tick is one instruction where the machine counts instructions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BootTime {
    /// Ticks from the entry of the kernel to the start of init.
    pub total: u64,
    /// Each stage's name and ticks, in the order of the boot.
    pub stages: Vec<(String, u64)>,
}

impl BootTime {
    /// Reads the kernel's report out of what a machine said.
    pub fn read(said: &str) -> Result<BootTime> {
        let total = said.lines().find_map(|line| line.strip_suffix(TOTAL)?.rsplit(' ').next()?.parse().ok());
        let total = total.context("the kernel did not say how long its boot took")?;
        let stages = said.lines().find_map(|line| Some(line.split_once(STAGES)?.1));
        let stages = stages.context("the kernel did not name the stages of its boot")?;
        let stage = |word: &str| {
            let (name, ticks) = word.split_once('=').with_context(|| format!("{word:?} is not a stage"))?;
            Ok((name.to_owned(), ticks.parse().with_context(|| word.to_owned())?))
        };
        let stages = stages.split_whitespace().map(stage).collect::<Result<Vec<_>>>()?;
        let sum: u64 = stages.iter().map(|(_, ticks)| ticks).sum();
        ensure!(sum == total, "the stages take {sum} ticks, the boot {total}");
        Ok(BootTime { total, stages })
    }

    /// The stages as bars along one line of time.
    pub fn picture(&self, title: &str) -> String {
        let height = HEAD + ROW * self.stages.len() as f64 + 8.0;
        let scale = (WIDTH - NAMES - FIGURES) / self.total.max(1) as f64;
        let mut svg = format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height}\" font-family=\"sans-serif\" \
             font-size=\"12\">\n<rect width=\"{WIDTH}\" height=\"{height}\" fill=\"#fff\"/>\n\
             <text x=\"8\" y=\"20\" font-weight=\"bold\">{title}</text>\n"
        );
        let mut start = 0;
        for (row, (name, ticks)) in self.stages.iter().enumerate() {
            let (x, top) = (NAMES + start as f64 * scale, HEAD + ROW * row as f64);
            let width = (*ticks as f64 * scale).max(1.0);
            let (base, behind) = (top + BAR - 2.0, x + width + 6.0);
            // Writing to a string never fails.
            let _ = writeln!(
                svg,
                "<text x=\"8\" y=\"{base:.1}\">{name}</text><rect x=\"{x:.1}\" y=\"{top:.1}\" width=\"{width:.1}\" \
                 height=\"{BAR}\" fill=\"#3b6ea5\"/><text x=\"{behind:.1}\" y=\"{base:.1}\" fill=\"#444\">{}</text>",
                grouped(*ticks)
            );
            start += ticks;
        }
        svg + "</svg>\n"
    }
}

/// A number with a comma after each three digits.
pub fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let separator = |index: usize| if index > 0 && (digits.len() - index).is_multiple_of(3) { "," } else { "" };
    digits.char_indices().map(|(index, digit)| format!("{}{digit}", separator(index))).collect()
}

#[cfg(test)]
mod test {
    use super::*;

    const SAID: &str = "starting\n[    0.014] kernel: boot: 1500 ticks from the entry to init\r\n\
                        [    0.014] kernel: boot: stages console=500 memory=1000\r\n";

    #[test]
    fn the_report_is_read() {
        let wanted = BootTime { total: 1500, stages: vec![("console".into(), 500), ("memory".into(), 1000)] };
        assert_eq!(BootTime::read(SAID).unwrap(), wanted);
        assert!(BootTime::read("starting\n").is_err());
        assert!(BootTime::read(&SAID.replace("=500", "=501")).is_err());
    }

    #[test]
    fn every_stage_is_drawn() {
        let picture = BootTime::read(SAID).unwrap().picture("the boot");
        assert_eq!(picture.matches("height=\"14\"").count(), 2);
        assert!(picture.contains(">1,000</text>") && picture.contains("the boot"));
    }
}
