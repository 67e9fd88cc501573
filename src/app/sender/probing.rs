//! What opens a line again that has closed: a person's word, or a probe that is answered.

use super::Sender;
use crate::app::desk::Desk;
use crate::app::line::probe;
use crate::engine::line::Line;
use crate::gateway::Gateway;
use crate::store::Pulse;

impl Sender {
    /// A person has resumed the line that was barred.
    pub(super) fn resume(&mut self, desk: &Desk, pulse: &Pulse) {
        // What bars it is in the store once nothing waits to be recorded.
        if self.line.is_barred() && !pulse.line_paused && self.finished.is_empty() {
            self.line = Line::new(self.epoch);
            desk.set_away(false);
            tracing::info!("the line to the gateway is open again: a person has seen to it");
        }
    }

    /// After a wait the gateway is asked whether it is there, where it can be asked: a probe should be no parent's text.
    pub(super) fn probe(&mut self, desk: &Desk, gateway: &Gateway, pulse: &Pulse) -> bool {
        let now = desk.clock.now();
        let texts = pulse.claimable && !pulse.paused;
        let asks = gateway.can_be_probed() && !pulse.line_paused && self.line.asks(texts, pulse.doubts, now);
        if asks && self.in_flight.is_empty() {
            self.in_flight.push(probe(desk, gateway, now));
            return true;
        }
        false
    }
}
