//! A pause of sending as a whole: while one is there, nothing is claimed.

/// What is paused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pause {
    /// Everything, by a person's word.
    All,
    /// The line to the gateway: by a person's word, or because the gateway barred us.
    Line,
    /// The database was restored or copied: it may have forgotten what was sent.
    Fence,
    /// The clock shows what it can't show.
    Clock,
}

impl Pause {
    /// The word kept in the store.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::All => "all",
            Self::Line => "line",
            Self::Fence => "fence",
            Self::Clock => "clock",
        }
    }
}
