//! What was hit, and how often.

use ringround::domain::message::{Edge, State};
use std::fmt::Write;

macro_rules! faults {
    ($($name:ident = $words:literal,)+) => {
        /// Everything that can go wrong, or that people do, by the words it is printed with.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        pub enum Fault { $($name),+ }

        impl Fault {
            pub const ALL: &'static [(Self, &'static str)] = &[$((Self::$name, $words)),+];
        }
    };
}

faults! {
    Crash = "crash between two operations",
    Killed = "crash while requests are in flight",
    CommitLost = "committed, but the answer of the store was lost",
    StoreDown = "the store refuses a commit",
    SlowStore = "a commit takes seconds",
    Stopped = "clean stop (SIGTERM) and start",
    DownLong = "down for hours",
    Suspended = "suspended for hours, requests in flight",
    Frozen = "frozen until after its lease",
    Fenced = "a worker finds its lease gone",
    ClockForward = "clock set forward",
    ClockBack = "clock set back",
    ClockHeld = "the hour can't be right: nothing is sent",
    RestoredFromBackup = "restored from a backup",
    AnswerLostTaken = "answer lost, text taken",
    AnswerLostNotTaken = "answer lost, text not taken",
    ServerErrorTaken = "5xx, text taken",
    ServerErrorNotTaken = "5xx, text not taken",
    Throttled = "429",
    ThrottledAbsurd = "429, come back in ten years",
    Liar = "429, but the text was taken",
    ConnectionRefused = "connection refused (outage)",
    Probed = "asked whether anybody is there, without a text",
    BarredCredentials = "credentials refused",
    BarredCredit = "no credit",
    RefusedNumber = "number refused",
    RefusedText = "text refused",
    RefusedOptedOut = "number opted out at the gateway",
    LateAnswer = "answer comes late",
    LookUpDown = "look-up out of order",
    LookUpLag = "answer lost, and the look-up does not know the text yet",
    RepeatRefused = "gateway refuses a repeat (class A)",
    ReportLate = "report hours late",
    ReportTwice = "report twice",
    ReportDisorder = "report \"sent\" after the final one",
    ReportNever = "report never comes",
    ReportEarly = "report before the answer",
    ReportContradicts = "two reports contradict each other",
    ReportForged = "forged report",
    ReportUnknown = "report about a text nobody knows",
    ReportOptedOut = "report says the number opted out",
    CallbackAgain = "callback again, its acknowledgement was lost",
    CallbackShut = "callback while nobody listens",
    TextTwice = "a parent's text handed over twice",
    Stop = "STOP",
    StopInFlight = "STOP while a text to them is claimed",
    StopList = "STOP to one list",
    Start = "START",
    Join = "join word",
    Done = "DONE",
    MayBeStop = "text that may mean STOP",
    Help = "HELP",
    Gibberish = "text that means nothing",
    ShortCode = "text from a short code",
    LeftByPhone = "leaves by ringing the office",
    ReviewedOn = "a person reads: carry on",
    ReviewedStop = "a person reads: stop",
    PausedAll = "a person pauses all",
    PausedLine = "a person pauses the line",
    CampaignPaused = "campaign paused and resumed",
    CampaignCancelled = "campaign cancelled",
    ImportedAgain = "spreadsheet loaded again",
    Tested = "test to a tester",
    Held = "a person holds a text",
    DecidedSent = "unresolved: a person says it was sent",
    DecidedResend = "unresolved: a person says send again",
    DecidedDrop = "unresolved: a person drops it",
    PolicyResend = "in doubt: the step's policy sends again",
    OverlapTurns = "a turn begins while another part is in the middle of its own",
    StrangeNight = "clocks change during the campaign",
}

/// Edges in the order of the chart; E1 and E4 are no edges of it.
const EDGES: [Edge; 19] = [
    Edge::Release,
    Edge::Claim,
    Edge::Accept,
    Edge::Retry,
    Edge::Reject,
    Edge::Doubt,
    Edge::Found,
    Edge::Absent,
    Edge::GiveUp,
    Edge::Report,
    Edge::Drop,
    Edge::Decide,
    Edge::Overtake,
    Edge::LateReport,
    Edge::DoubtReported,
    Edge::BetterReport,
    Edge::EarlyReport,
    Edge::Belied,
    Edge::Restored,
];

/// Counts over many runs.
#[derive(Clone, Debug)]
pub struct Tally {
    pub faults: Vec<u64>,
    pub edges: [u64; EDGES.len()],
    pub made: u64,
    pub wired: u64,
    /// Released before it left: E15, the same move as E6.
    pub unsent: u64,
    pub crashes: Vec<u16>,
    pub stops: Vec<u16>,
    pub wrongs: Vec<u16>,
    pub contacts: Vec<u16>,
    pub steps: Vec<u16>,
    pub ends: [u64; 11],
}

impl Default for Tally {
    fn default() -> Self {
        Self {
            faults: vec![0; Fault::ALL.len()],
            edges: [0; EDGES.len()],
            made: 0,
            wired: 0,
            unsent: 0,
            crashes: Vec::new(),
            stops: Vec::new(),
            wrongs: Vec::new(),
            contacts: Vec::new(),
            steps: Vec::new(),
            ends: [0; 11],
        }
    }
}

impl Tally {
    pub fn hit(&mut self, fault: Fault) {
        self.faults[fault as usize] += 1;
    }

    pub fn of(&self, fault: Fault) -> u64 {
        self.faults[fault as usize]
    }

    pub fn pass(&mut self, edge: Edge) {
        if let Some(at) = EDGES.iter().position(|e| *e == edge) {
            self.edges[at] += 1;
        }
    }

    pub fn end(&mut self, state: State) {
        if let Some(at) = State::ALL.iter().position(|s| *s == state) {
            self.ends[at] += 1;
        }
    }

    /// Closes the counts of one campaign: what happened in it becomes a point of the medians.
    pub fn close(&mut self, contacts: usize, steps: usize) {
        let small = |n: u64| u16::try_from(n).unwrap_or(u16::MAX);
        let crashes = self.of(Fault::Crash) + self.of(Fault::Killed);
        let stops = self.of(Fault::Stop) + self.of(Fault::StopList);
        let first = Fault::AnswerLostTaken as usize;
        let last = Fault::CallbackShut as usize;
        self.crashes.push(small(crashes));
        self.stops.push(small(stops));
        self.wrongs.push(small(self.faults[first..=last].iter().sum()));
        self.contacts.push(small(contacts as u64));
        self.steps.push(small(steps as u64));
    }

    pub fn add(&mut self, other: &Self) {
        let sum = |to: &mut [u64], from: &[u64]| to.iter_mut().zip(from).for_each(|(to, from)| *to += from);
        sum(&mut self.faults, &other.faults);
        sum(&mut self.edges, &other.edges);
        sum(&mut self.ends, &other.ends);
        self.made += other.made;
        self.wired += other.wired;
        self.unsent += other.unsent;
        self.crashes.extend(&other.crashes);
        self.stops.extend(&other.stops);
        self.wrongs.extend(&other.wrongs);
        self.contacts.extend(&other.contacts);
        self.steps.extend(&other.steps);
    }

    /// Everything that was hit less often than that, by name.
    pub fn below(&self, least: u64) -> Vec<String> {
        let edges = EDGES.iter().zip(&self.edges).map(|(edge, n)| (format!("{} {edge:?}", edge.number()), *n));
        let faults = Fault::ALL.iter().map(|(fault, words)| ((*words).to_owned(), self.of(*fault)));
        let rest = [("E1 made".to_owned(), self.made), ("E4 on the wire".to_owned(), self.wired)];
        let all = edges.chain(faults).chain(rest).chain([("E15 unsent".to_owned(), self.unsent)]);
        all.filter(|(_, n)| *n < least).map(|(name, n)| format!("{name}: {n}")).collect()
    }

    pub fn table(&self) -> String {
        let mut out = String::new();
        let mut row = |name: &str, n: u64| writeln!(out, "  {n:>10}  {name}").unwrap();
        row("E1 made", self.made);
        for (edge, n) in EDGES.iter().zip(&self.edges) {
            row(&format!("{} {edge:?}", edge.number()), *n);
            if *edge == Edge::Claim {
                row("E4 on the wire", self.wired);
            }
            if *edge == Edge::Overtake {
                row("E15 unsent (of E6)", self.unsent);
            }
        }
        out.push('\n');
        for (fault, words) in Fault::ALL {
            writeln!(out, "  {:>10}  {words}", self.of(*fault)).unwrap();
        }
        out.push_str("\n  at the end:");
        for (state, n) in State::ALL.iter().zip(self.ends) {
            write!(out, " {state} {n},").unwrap();
        }
        out.pop();
        out
    }

    /// "contacts 24, steps 3, …"
    pub fn medians(&self) -> [(&'static str, u16); 5] {
        [
            ("contacts", median(&self.contacts)),
            ("steps", median(&self.steps)),
            ("crashes", median(&self.crashes)),
            ("STOPs", median(&self.stops)),
            ("faults", median(&self.wrongs)),
        ]
    }
}

/// The one in the middle.
pub fn median(values: &[u16]) -> u16 {
    let mut values = values.to_vec();
    values.sort_unstable();
    values.get(values.len() / 2).copied().unwrap_or(0)
}
