//! Runs everything on a virtual clock against the simulated world: at each instant all parts take turns until none has
//! anything to do, then the clock jumps to the next instant at which anything can happen. The parts are the same that
//! run on the system's clock.

use super::desk::Desk;
use super::receiver::{self, Handed, Taken};
use super::resolver;
use super::scheduler::Scheduler;
use super::sender::Sender;
use crate::clock::VirtualClock;
use crate::domain::report::ReportStatus;
use crate::gateway::Gateway;
use crate::gateway::simulated::{Callback, World};
use crate::store::{Pulse, Sabotage, StoreError};
use jiff::{SignedDuration, Timestamp};

/// A run; see the module's head.
pub struct Run {
    /// The desk all parts share.
    pub desk: Desk,
    /// The world outside.
    pub world: World,
    /// The world's time.
    pub clock: VirtualClock,
    /// How far the worker's own clock is behind (nothing, unless on purpose).
    pub slow_by: SignedDuration,
    /// A rule to break, if one is to be broken.
    pub sabotage: Option<Sabotage>,
    gateway: Gateway,
    scheduler: Scheduler,
    sender: Sender,
    pulse: Option<Pulse>,
    /// Reports whose reference was none of ours.
    pub foreign_reports: u64,
}

impl Run {
    /// A run that begins now, on an empty database or on one that another run was torn away from. `desk.clock` is a hand of `clock`, `slow_by` behind.
    pub async fn start(
        desk: Desk,
        world: World,
        clock: VirtualClock,
        slow_by: SignedDuration,
        sabotage: Option<Sabotage>,
    ) -> Result<Self, StoreError> {
        let (sender, _) = Sender::start(&desk).await?;
        let gateway = Gateway::Simulated(world.clone());
        let scheduler = Scheduler::default();
        Ok(Self { desk, world, clock, slow_by, sabotage, gateway, scheduler, sender, pulse: None, foreign_reports: 0 })
    }

    /// Runs until the world's clock shows `end`.
    pub async fn until(&mut self, end: Timestamp) -> Result<(), StoreError> {
        loop {
            self.world.advance_to(self.clock.now());
            while self.turn().await? {}
            let next = self.next_instant().filter(|at| *at < end);
            // Never stand still: an instant that has passed without effect is looked at again a moment later.
            let soon = self.clock.now() + SignedDuration::from_millis(1);
            if let Some(at) = next {
                self.clock.advance_to(at.max(soon));
            } else {
                self.clock.advance_to(end);
                self.world.advance_to(end);
                return Ok(());
            }
        }
    }

    /// Runs on until nothing is on its way any more, at most until `end`.
    pub async fn settle(&mut self, end: Timestamp) -> Result<(), StoreError> {
        while self.clock.now() < end && (!self.sender.is_idle() || self.world.next_callback().is_some()) {
            let next = self.next_instant().unwrap_or(end).min(end);
            let soon = self.clock.now() + SignedDuration::from_millis(1);
            self.until(next.max(soon)).await?;
        }
        Ok(())
    }

    /// A sign of life, where several workers share a database.
    pub async fn beat(&mut self) -> Result<u64, StoreError> {
        self.sender.beat(&self.desk).await
    }

    /// Nothing is on its way.
    pub fn is_idle(&self) -> bool {
        self.sender.is_idle()
    }

    /// Everybody's turn; true if anybody did anything.
    pub async fn turn(&mut self) -> Result<bool, StoreError> {
        let mut busy = false;
        // One by one, in the order in which they came: what a virtual clock does must not depend on how many share an instant.
        while let Some((place, callback)) = self.world.handed_over() {
            let taken = receiver::take(&self.desk, self.gateway.name(), &[handed(callback)]).await?;
            self.world.acknowledged(place);
            self.foreign_reports += u64::from(taken == [Taken::Foreign]);
            busy = true;
        }
        if let Some(rule) = self.sabotage {
            self.desk.store.sabotage(rule, self.clock.now()).await?;
        }
        let now = self.desk.clock.now();
        let pulse = self.desk.store.pulse(now).await?;
        busy |= self.scheduler.turn(&self.desk, &pulse).await?;
        busy |= resolver::turn(&self.desk, &self.gateway, &pulse).await?;
        busy |= self.sender.turn(&self.desk, &self.gateway, &pulse, self.scheduler.quiet(now)).await?;
        self.pulse = Some(pulse);
        Ok(busy)
    }

    /// The next instant, by the world's clock, at which anything can happen.
    pub fn next_instant(&self) -> Option<Timestamp> {
        let now = self.desk.clock.now();
        let own = [
            self.scheduler.next_due(),
            self.scheduler.quiet_ends(now),
            self.pulse.and_then(|pulse| pulse.next),
            self.sender.wakes_at().filter(|at| *at > now),
        ];
        let own = own.into_iter().flatten().filter_map(|at| at.checked_add(self.slow_by).ok());
        let world = [self.world.next_callback(), self.clock.next_sleeper()];
        own.chain(world.into_iter().flatten()).min()
    }
}

/// What the world hands over, as a real gateway's profile would have read it.
fn handed(callback: Callback) -> Handed {
    match callback {
        Callback::Inbound(text) => {
            Handed::Text { gateway_id: text.gateway_id, from: text.from, body: text.body, opt_out_handled: false }
        }
        Callback::Report(told) => Handed::Report {
            reference: told.reference,
            gateway_id: Some(told.gateway_id),
            status: match told.status {
                "DELIVERED" => ReportStatus::Delivered,
                "SENT" => ReportStatus::Sent,
                _ => ReportStatus::Undelivered,
            },
            detail: told.status.to_lowercase(),
            opted_out: false,
        },
    }
}
