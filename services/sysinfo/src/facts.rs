//! Names from the arguments, and extremes over samples.

/// Bytes of a page frame, as `SystemStatus` counts them.
pub const FRAME_BYTES: u64 = 4096;
/// Seconds of an observation at most.
pub const MAX_OBSERVATION_SECONDS: u32 = 3600;

/// What the system calls itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Names {
    /// Name of the machine.
    pub hostname: String,
    /// Message of the day.
    pub motd: String,
}

impl Default for Names {
    fn default() -> Self {
        Self { hostname: "capos".to_owned(), motd: "Everything you can do is a capability that you hold.".to_owned() }
    }
}

impl Names {
    /// Names from `--hostname=…` and `--motd=…`; other arguments are refused.
    pub fn from_arguments(arguments: impl IntoIterator<Item = String>) -> Result<Self, String> {
        let mut names = Self::default();
        for argument in arguments {
            match argument.split_once('=') {
                Some(("--hostname", hostname)) => names.hostname = hostname.to_owned(),
                Some(("--motd", motd)) => names.motd = motd.to_owned(),
                _ => return Err(format!("unknown argument \"{argument}\"; known: --hostname=NAME, --motd=TEXT")),
            }
        }
        Ok(names)
    }
}

/// Extremes over samples of the machine.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Extremes {
    /// Samples so far.
    pub samples: u32,
    /// The least free memory seen.
    pub least_free_bytes: u64,
    /// The most processes seen.
    pub most_processes: u32,
}

impl Extremes {
    /// Adds a sample.
    pub fn add(&mut self, free_frames: u64, processes: u32) {
        let free_bytes = free_frames * FRAME_BYTES;
        self.least_free_bytes = if self.samples == 0 { free_bytes } else { self.least_free_bytes.min(free_bytes) };
        self.most_processes = self.most_processes.max(processes);
        self.samples += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_come_from_arguments() {
        let names = Names::from_arguments(["--hostname=ada".to_owned(), "--motd=a=b".to_owned()]).unwrap();
        assert_eq!(names, Names { hostname: "ada".to_owned(), motd: "a=b".to_owned() });
        assert!(Names::from_arguments(["--colour=red".to_owned()]).unwrap_err().contains("--colour=red"));
    }

    #[test]
    fn extremes_start_with_the_first_sample() {
        let mut extremes = Extremes::default();
        [(5, 1), (3, 7), (4, 2)].into_iter().for_each(|(free, processes)| extremes.add(free, processes));
        assert_eq!(extremes, Extremes { samples: 3, least_free_bytes: 3 * FRAME_BYTES, most_processes: 7 });
    }
}
