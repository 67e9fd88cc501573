//! A pause of sending as a whole: while one is there, nothing is claimed.

use super::words::words;

words! {
    /// What is paused.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub enum Pause {
        /// Everything, by a person's word.
        All = "all",
        /// The line to the gateway: by a person's word, or because the gateway barred us.
        Line = "line",
        /// The database was restored or copied: it may have forgotten what was sent.
        Fence = "fence",
        /// The clock shows what it can't show.
        Clock = "clock",
    }
}
