//! What the recording gateway is told to do, and what it tells of what it did: plain data, sent as JSON.

use serde::{Deserialize, Serialize};

/// What a send in doubt can be resolved by; each is a profile in `tests/fixtures/crash/`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Class {
    A,
    B,
    C,
    D,
}

impl Class {
    pub const ALL: [Self; 4] = [Self::A, Self::B, Self::C, Self::D];

    pub fn letter(self) -> &'static str {
        match self {
            Self::A => "A",
            Self::B => "B",
            Self::C => "C",
            Self::D => "D",
        }
    }

    /// The status that says "taken".
    pub fn taken_status(self) -> u16 {
        match self {
            Self::A => 202,
            Self::B | Self::C => 201,
            Self::D => 200,
        }
    }
}

/// How a request to send is treated. `take`: does the text leave, whatever is answered?
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Fault {
    /// Takes the text and hangs up.
    TakeAndHangUp,
    /// Hangs up before a byte is read.
    HangUpBeforeReading,
    /// Reads half of the body and hangs up.
    ReadHalf,
    /// Says nothing until the script changes or the other side hangs up.
    Wait { take: bool },
    /// The right answer, one byte a second.
    SlowLoris { take: bool },
    /// This answer.
    Say { take: bool, status: u16, headers: Vec<(String, String)>, body: String },
    /// 200 and so many megabytes.
    Huge { take: bool, megabytes: usize },
    /// The right answer behind ten thousand headers.
    ManyHeaders { take: bool },
    /// A few kilobytes that would unpack to a gigabyte.
    GzipBomb { take: bool },
    /// The right answer with the id that another text has.
    SameId,
}

/// For whom a fault is.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Rule {
    /// Requests to send since the script began, from 1.
    pub first: usize,
    pub last: usize,
    /// Of a thousand requests so many, by the script's seed.
    pub of_a_thousand: u32,
    /// Only these numbers; empty: all.
    pub numbers: Vec<String>,
    pub fault: Fault,
}

impl Rule {
    pub fn always(fault: Fault) -> Self {
        Self { first: 1, last: usize::MAX, of_a_thousand: 1000, numbers: Vec::new(), fault }
    }

    pub fn first(count: usize, fault: Fault) -> Self {
        Self { last: count, ..Self::always(fault) }
    }

    pub fn some(of_a_thousand: u32, fault: Fault) -> Self {
        Self { of_a_thousand, ..Self::always(fault) }
    }

    pub fn number(numbers: &[String], fault: Fault) -> Self {
        Self { numbers: numbers.to_vec(), ..Self::always(fault) }
    }
}

/// How questions are answered.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LookUps {
    /// From the book.
    #[default]
    Right,
    /// 503.
    Down,
    /// What is younger than so many milliseconds is not there yet.
    Lag(i64),
    /// A page of a proxy, with 404.
    Proxy,
    /// Another text than the one that was asked for.
    Another,
}

/// Reports that follow by themselves.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Reports {
    /// In this order.
    pub statuses: Vec<String>,
    pub after_ms: u64,
    /// Between two of them.
    pub apart_ms: u64,
    /// Each so often.
    pub copies: usize,
    /// The first goes out before the request is answered.
    pub before_answer: bool,
}

impl Reports {
    pub fn of(status: &str, after_ms: u64) -> Self {
        let statuses = status.split(' ').map(str::to_owned).collect();
        Self { statuses, after_ms, apart_ms: 50, copies: 1, before_answer: false }
    }
}

/// All that is told to the gateway at once.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Script {
    pub rules: Vec<Rule>,
    pub look_ups: LookUps,
    pub reports: Option<Reports>,
    /// An answer takes from the first to the second of these, in milliseconds.
    pub latency_ms: (u64, u64),
    pub seed: u64,
    /// Where reports go.
    pub hooks: String,
    /// Nobody listens at its port.
    pub closed: bool,
    /// An SQLite file: at the arrival of a text it must say `submitting` there already.
    pub written_in: Option<String>,
}

/// One request to send, as the gateway saw it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Entry {
    /// Milliseconds since 1970 when the connection came.
    pub at: i64,
    /// And when the request was read.
    pub read_at: i64,
    pub reference: String,
    pub to: String,
    /// SHA-256 of the text, in hex.
    pub hash: String,
    /// The text left. A repeat that class A refuses did not.
    pub taken: bool,
    /// The database did not say `submitting` when it arrived.
    pub unwritten: bool,
}

/// Figures since the gateway began.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
pub struct Counts {
    /// Connections for texts and questions.
    pub connections: usize,
    /// Requests to send that began.
    pub requests: usize,
    pub taken: usize,
    pub look_ups: usize,
    /// Open now, and most at once.
    pub open: usize,
    pub most_open: usize,
    /// Requests at the other port, to which nobody is to be led.
    pub elsewhere: usize,
    /// Reports acknowledged with 200, and with something else.
    pub reported: usize,
    pub report_refused: usize,
}
