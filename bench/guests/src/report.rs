//! The result line that the host reads.

/// Something measured.
pub struct Figure<'a> {
    /// Name, as in the list of goals.
    pub name: &'a str,
    /// The value.
    pub value: f64,
    /// What is counted.
    pub unit: &'a str,
    /// Whether the benchmark checked its own result.
    pub verified: bool,
}

impl Figure<'_> {
    /// Says the line.
    pub fn say(&self) {
        let verdict = if self.verified { "verified" } else { "wrong" };
        println!("bench {} {:.3} {} {verdict}", self.name, self.value, self.unit);
    }
}
