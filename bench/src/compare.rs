//! Two runs side by side: what became slower between two commits.

use crate::line::Figure;
use crate::table::number;

/// How much larger a figure may be than that of the other commit, in percent.
pub const MAX_REGRESSION_PERCENT: f64 = 3.0;
/// Units in which a figure repeats exactly, and less is better. Others depend on what else the host does and are not judged.
const JUDGED_UNITS: [&str; 2] = ["instructions", "bytes"];

/// The rows of two commits side by side.
pub struct Comparison {
    lines: Vec<Line>,
}

struct Line {
    name: String,
    before: f64,
    now: f64,
    judged: bool,
}

impl Comparison {
    /// Compares the rows that both have.
    pub fn new(before: &[Figure], now: &[Figure]) -> Comparison {
        let line = |now: &Figure| {
            let before = before.iter().find(|before| before.name == now.name && before.unit == now.unit)?;
            let judged = JUDGED_UNITS.contains(&now.unit.as_str());
            Some(Line { name: now.name.clone(), before: before.value, now: now.value, judged })
        };
        Comparison { lines: now.iter().filter_map(line).collect() }
    }

    /// Whether they have no row in common.
    pub fn is_empty(&self) -> bool {
        self.lines.is_empty()
    }

    /// The comparison as a table.
    pub fn draw(&self, commit: &str) -> String {
        let mut table = format!("| row | {commit} | now | change |\n|---|---:|---:|---:|\n");
        for line in &self.lines {
            let verdict = if line.is_regression() { " **slower**" } else { "" };
            let (before, now, change) = (number(line.before), number(line.now), line.change_percent());
            table += &format!("| `{}` | {before} | {now} | {change:+.1} %{verdict} |\n", line.name);
        }
        table
    }

    /// Names of the rows that became too slow.
    pub fn regressions(&self) -> Vec<&str> {
        self.lines.iter().filter(|line| line.is_regression()).map(|line| line.name.as_str()).collect()
    }
}

impl Line {
    fn change_percent(&self) -> f64 {
        (self.now / self.before - 1.0) * 100.0
    }

    fn is_regression(&self) -> bool {
        self.judged && self.now > self.before * (1.0 + MAX_REGRESSION_PERCENT / 100.0)
    }
}

#[cfg(test)]
mod test {
    use super::*;

    fn figure(name: &str, value: f64, unit: &str) -> Figure {
        Figure { name: name.into(), value, unit: unit.into(), verified: true }
    }

    #[test]
    fn more_than_the_limit_is_a_regression() {
        let before = ["a", "b", "gone"].map(|name| figure(name, 1000.0, "instructions"));
        let now = [
            figure("a", 1030.0, "instructions"),
            figure("b", 1031.0, "instructions"),
            figure("new", 5.0, "instructions"),
        ];
        let comparison = Comparison::new(&before, &now);
        assert_eq!(comparison.regressions(), ["b"]);
        assert!(!comparison.is_empty() && Comparison::new(&before, &now[2..]).is_empty());
        assert!(comparison.draw("abc").contains("| `b` | 1,000 | 1,031 | +3.1 % **slower** |"));
    }

    #[test]
    fn what_the_host_disturbs_is_shown_but_not_judged() {
        let comparison = Comparison::new(&[figure("s", 1.9, "speed-up")], &[figure("s", 3.0, "speed-up")]);
        assert!(comparison.regressions().is_empty() && comparison.draw("abc").contains("`s`"));
    }
}
