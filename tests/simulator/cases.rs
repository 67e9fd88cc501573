//! Seeds that have found something once.

/// A seed, and what it was.
#[derive(Clone, Copy, Debug)]
pub struct Case {
    pub seed: u64,
    pub what: &'static str,
}

pub const ALL: [Case; 8] = [
    Case { seed: 8851, what: "a pause that came after the end kept a doubt unasked" },
    Case { seed: 99134, what: "the same, as the seeds are drawn today" },
    Case { seed: 41298, what: "a clock set ahead in the middle of a turn: two texts 7 ms apart at 50 a second" },
    Case { seed: 44523, what: "the same at 5 a second, before the first step: 184 ms" },
    Case { seed: 48833, what: "a suspended machine wakes in the middle of a turn: 498 ms apart at 2 a second" },
    Case {
        seed: 52122,
        what: "a clock set ahead between a text's start on the line and its leaving: 193 ms at 5 a second",
    },
    Case { seed: 62531, what: "a text that was sent and waited to be sent again was held, and heeded no report" },
    Case {
        seed: 7332,
        what: "sent again by its step's policy or a person, then too late: expired, but the first copy arrived",
    },
];
