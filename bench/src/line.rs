//! A result line of a guest: `bench <name> <value> <unit> <verified|wrong>`, wherever in the log line it stands.

/// One result.
#[derive(Clone, Debug, PartialEq)]
pub struct Figure {
    /// Name of the row.
    pub name: String,
    /// Measured value.
    pub value: f64,
    /// What is counted.
    pub unit: String,
    /// Whether the benchmark checked its own result.
    pub verified: bool,
}

/// The results that a guest said.
pub fn figures(lines: &[String]) -> Vec<Figure> {
    lines.iter().filter_map(|line| parse(line)).collect()
}

/// Reads a line of the serial log; `None` if it is not a result.
fn parse(line: &str) -> Option<Figure> {
    let (_, result) = line.split_once("bench ")?;
    let [name, value, unit, verdict] = result.split_whitespace().collect::<Vec<_>>().try_into().ok()?;
    let verified = match verdict {
        "verified" => true,
        "wrong" => false,
        _ => return None,
    };
    Some(Figure { name: name.into(), value: value.parse().ok()?, unit: unit.into(), verified })
}

#[cfg(test)]
mod test {
    use super::*;

    #[test]
    fn only_whole_results_are_read() {
        let row = parse("[1.000000] primitives: bench ring.nop.batch64 57.5 instructions verified").unwrap();
        assert_eq!((row.name.as_str(), row.value, row.verified), ("ring.nop.batch64", 57.5, true));
        assert!(!parse("bench x 1 bytes wrong").unwrap().verified);
        assert_eq!(parse("bench x 1 bytes"), None);
        assert_eq!(parse("benchmarks start"), None);
    }
}
