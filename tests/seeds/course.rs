//! One run: the app's own parts on a real store and in the simulated world, driven from instant to instant, with workers
//! that are torn out and start again.

use super::crash::{Crash, Switch};
use super::draw::{Deed, Draw};
use super::ground::Ground;
use crate::support::Engine;
use jiff::{SignedDuration, Timestamp};
use ringround::app::campaigns::{Applied, Steer, apply, steer};
use ringround::app::desk::Desk;
use ringround::app::import::{Order, import_here};
use ringround::app::run_virtual::Run;
use ringround::clock::{Clock, VirtualClock};
use ringround::config::Settings;
use ringround::domain::change::{Change, Decision};
use ringround::domain::pause::Pause;
use ringround::gateway::simulated::World;
use ringround::store::{Db, LEASE, Place, Store};
use sqlx::AssertSqlSafe;
use std::collections::BTreeMap;
use std::sync::Arc;

const BY: &str = "admin:seeds";
const BEAT: SignedDuration = SignedDuration::from_secs(5);
/// More turns than any course needs.
const MOST_TURNS: u64 = 200_000;

/// A worker's place: occupied, or empty until it starts again.
struct Seat {
    slow_by: SignedDuration,
    run: Option<(Run, Db, Arc<Switch>)>,
    starts_at: Timestamp,
    /// For how long it is empty after the next crash.
    gone: SignedDuration,
    epoch: i64,
    /// Whoever is torn out leaves a lease that ends then.
    lease_ends: Option<Timestamp>,
}

/// What a course was like.
#[derive(Default)]
pub struct Told {
    /// Where workers were torn out, and what they held.
    pub crashes: BTreeMap<String, u64>,
    pub turns: u64,
    pub starts: u64,
    /// A line for each thing that happened by somebody's hand.
    pub said: Vec<String>,
}

/// See the module's head.
pub struct Course<'a> {
    pub draw: &'a Draw,
    pub world: World,
    pub told: Told,
    place: Place,
    engine: Engine,
    clock: VirtualClock,
    seats: Vec<Seat>,
    random: fastrand::Rng,
    last_beat: Timestamp,
}

impl<'a> Course<'a> {
    /// Runs it to its end; an error where the app itself gave up.
    pub async fn run(draw: &'a Draw, ground: &Ground) -> Result<Self, String> {
        let clock = VirtualClock::new(draw.begin);
        let world = World::new(draw.begin, draw.params.clone(), draw.phones.clone());
        let seat = |slow_by: &SignedDuration| Seat {
            slow_by: *slow_by,
            run: None,
            starts_at: draw.begin,
            gone: SignedDuration::ZERO,
            epoch: 0,
            lease_ends: None,
        };
        let seats = draw.workers.iter().map(seat).collect();
        let (place, engine) = (ground.place().clone(), ground.engine());
        let (random, last_beat) = (draw.random.clone(), draw.begin);
        let mut course = Self { draw, world, told: Told::default(), place, engine, clock, seats, random, last_beat };
        course.load().await?;
        let done = course.drive().await;
        for seat in &mut course.seats {
            if let Some((run, db, _)) = seat.run.take() {
                drop(run);
                db.close().await;
            }
        }
        done.map(|()| course)
    }

    fn desk(&self, store: Store, slow_by: SignedDuration) -> Desk {
        let (settings, _) = Settings::read(&self.draw.settings);
        Desk::new(store, Clock::Virtual(self.clock.slow_by(slow_by)), settings)
    }

    async fn load(&mut self) -> Result<(), String> {
        let desk = self.desk(Store::open(&self.place).await.unwrap(), SignedDuration::ZERO);
        let order = Order { list: "send".to_owned(), by: BY.to_owned(), ..Order::default() };
        let report = import_here(&desk, self.draw.spreadsheet.as_bytes(), &order).await.unwrap();
        if !report.problems.is_empty() {
            return Err(format!("the spreadsheet: {:?}", report.problems));
        }
        match apply(&desk, &self.draw.campaign, BY).await.unwrap().0 {
            Applied::New(_) => {}
            other => return Err(format!("the campaign: {other:?}\n{}", self.draw.campaign)),
        }
        let row = desk.store.campaign("drawn").await.unwrap().unwrap();
        steer(&desk, &row, Steer::Start, BY).await.unwrap();
        desk.store.close().await;
        Ok(())
    }

    async fn drive(&mut self) -> Result<(), String> {
        let mut deeds: Vec<(Timestamp, Deed)> = self.draw.deeds.iter().rev().copied().collect();
        loop {
            let now = self.clock.now();
            self.world.advance_to(now);
            self.beat(now).await?; // first: whoever starts takes off those whose lease has ended
            self.start_due(now).await?;
            while self.anybody() && deeds.last().is_some_and(|(at, _)| *at <= now) {
                let (at, deed) = deeds.pop().unwrap();
                if !self.deed(deed, now).await? {
                    deeds.push((at, deed)); // whoever gets no answer says it again, when somebody is there
                }
            }
            self.turns().await?;
            let soon = now + SignedDuration::from_millis(1);
            let next = self.next(now, deeds.last().map(|(at, _)| *at));
            match next.map(|at| at.max(soon)).filter(|at| *at < self.draw.end) {
                Some(at) => self.clock.advance_to(at),
                None if self.seats.iter().any(|seat| seat.run.is_none()) => self.clock.advance_to(soon),
                None => return Ok(()),
            }
        }
    }

    fn anybody(&self) -> bool {
        self.seats.iter().any(|seat| seat.run.is_some())
    }

    /// Everybody takes turns, in changing order, until none has anything to do.
    async fn turns(&mut self) -> Result<(), String> {
        loop {
            let mut busy = false;
            let first = self.random.usize(..self.seats.len());
            for n in 0..self.seats.len() {
                let at = (first + n) % self.seats.len();
                let Some((run, _, switch)) = &mut self.seats[at].run else { continue };
                let done = switch.unless_torn(run.turn()).await;
                self.told.turns += 1;
                if switch.torn().is_some() {
                    self.tear(at).await;
                    continue;
                }
                match done {
                    Some(Ok(any)) => busy |= any,
                    Some(Err(error)) => return Err(format!("a turn failed at {}: {error}", self.clock.now())),
                    None => {}
                }
            }
            if self.told.turns > MOST_TURNS {
                return Err("it does not come to rest".to_owned());
            }
            if !busy {
                return Ok(());
            }
        }
    }

    /// All that is due to start.
    async fn start_due(&mut self, now: Timestamp) -> Result<(), String> {
        for at in 0..self.seats.len() {
            if self.seats[at].run.is_some() || self.seats[at].starts_at > now {
                continue;
            }
            let slow_by = self.seats[at].slow_by;
            let store = Store::open(&self.place).await.map_err(|e| format!("opening again: {e}"))?;
            if let Some(reason) = store.moved().await.unwrap() {
                return Err(format!("the database believes to have been moved: {reason}"));
            }
            let (db, switch) = (store.db().clone(), Arc::new(Switch::default()));
            let run =
                Run::start(self.desk(store, slow_by), self.world.clone(), self.clock.clone(), slow_by, None).await;
            let run = run.map_err(|e| format!("starting at {now}: {e}"))?;
            if let Db::Sqlite(pool, _) = &db {
                switch.listen(pool).await;
            }
            let rows = db.rows("SELECT MAX(epoch) FROM workers", vec![]).await.unwrap();
            self.seats[at].epoch = rows[0].int(0).unwrap();
            self.seats[at].run = Some((run, db, switch));
            self.told.starts += 1;
            self.say(now, format!("worker {at} starts as epoch {}", self.seats[at].epoch));
        }
        Ok(())
    }

    /// What five seconds are for while nothing else happens: those who live have renewed their leases, and those who don't
    /// have not.
    async fn beat(&mut self, now: Timestamp) -> Result<(), String> {
        if self.engine == Engine::Sqlite || now.duration_since(self.last_beat) < BEAT {
            return Ok(());
        }
        self.last_beat = now;
        for seat in &mut self.seats {
            let Some((run, db, _)) = &mut seat.run else { continue };
            let until = run.desk.clock.now() + LEASE;
            let sql =
                format!("UPDATE workers SET lease_until = {} WHERE epoch = {}", until.as_millisecond(), seat.epoch);
            let mut tx = db.begin().await.unwrap();
            let found = tx.run(AssertSqlSafe(sql), vec![]).await.unwrap();
            tx.commit().await.unwrap();
            if found == 0 {
                return Err(format!("epoch {} was taken off while it lived", seat.epoch));
            }
        }
        for seat in &mut self.seats {
            if let Some((run, _, _)) = &mut seat.run {
                run.beat().await.map_err(|e| format!("a beat at {now}: {e}"))?;
            }
        }
        Ok(())
    }

    /// The worker in this seat is gone, with all it had in its hands.
    async fn tear(&mut self, at: usize) {
        let seat = &mut self.seats[at];
        let (run, db, switch) = seat.run.take().unwrap();
        let mint = run.desk.store.identity().mint();
        drop(run);
        let now = self.clock.now();
        let rows = db
            .rows(
                AssertSqlSafe(format!(
                    "SELECT id FROM messages WHERE state = 'submitting' AND epoch = {} ORDER BY id",
                    seat.epoch
                )),
                vec![],
            )
            .await;
        // On SQLite the connection that hears no commit any more is thrown away with the pool.
        let held = rows.map(|rows| rows.iter().map(|row| row.int(0).unwrap()).collect::<Vec<_>>()).unwrap_or_default();
        db.close().await;
        let taken = held.iter().filter(|id| self.world.has_taken(&mint.reference(**id))).count();
        let what = switch.torn().unwrap_or_default();
        let hands = match (held.len(), taken) {
            (0, _) => "nothing claimed",
            (_, 0) => "claimed, nothing on the wire",
            (_, _) => "something on the wire",
        };
        *self.told.crashes.entry(format!("{what}; {hands}")).or_default() += 1;
        seat.starts_at = now + seat.gone;
        seat.lease_ends = Some(now + LEASE + SignedDuration::from_secs(2));
        self.say(now, format!("worker {at} is torn out {what}, with {} claimed and {taken} of them taken", held.len()));
    }

    /// False: the service died in it, and whoever wanted it had no answer.
    async fn deed(&mut self, deed: Deed, now: Timestamp) -> Result<bool, String> {
        self.say(now, format!("{deed:?}"));
        if let Deed::Crash(at, crash, gone) = deed {
            let seat = &mut self.seats[at];
            let Some((_, _, switch)) = &seat.run else { return Ok(true) };
            seat.gone = gone;
            if matches!(crash, Crash::Idle) {
                self.tear(at).await;
            } else {
                switch.arm(crash);
            }
            return Ok(true);
        }
        // A person's command is carried out by the service, and may be what it dies in.
        let Some(seat) = self.seats.iter().position(|seat| seat.run.is_some()) else { return Ok(false) };
        let Some((run, _, switch)) = &self.seats[seat].run else { return Ok(false) };
        let at = run.desk.clock.now();
        let commit = async |change| run.desk.store.commit_one(Decision(vec![change]), at).await.map(|_| ());
        let steer = async |word| {
            let row = run.desk.store.campaign("drawn").await?.unwrap();
            steer(&run.desk, &row, word, BY).await.map(|_| ())
        };
        let doing = async {
            match deed {
                Deed::PauseAll => commit(Change::Paused { pause: Pause::All, reason: "a person".into(), at }).await,
                Deed::ResumeAll => commit(Change::Resumed { pause: Pause::All }).await,
                Deed::PauseCampaign => steer(Steer::Pause).await,
                Deed::ResumeCampaign => steer(Steer::Resume).await,
                Deed::CancelCampaign => steer(Steer::Cancel).await,
                Deed::Crash(..) => Ok(()),
            }
        };
        let done = switch.unless_torn(doing).await;
        if switch.torn().is_some() {
            self.tear(seat).await;
            return Ok(false);
        }
        done.map_or(Ok(true), |done| done.map(|()| true).map_err(|e| format!("{deed:?}: {e}")))
    }

    fn next(&mut self, now: Timestamp, deed: Option<Timestamp>) -> Option<Timestamp> {
        let mut at: Vec<Timestamp> = deed.into_iter().collect();
        for seat in &self.seats {
            match &seat.run {
                Some((run, _, _)) => at.extend(run.next_instant()),
                None => at.push(seat.starts_at),
            }
            at.extend(seat.lease_ends.filter(|ends| *ends > now));
        }
        if !self.anybody() {
            at = self.seats.iter().map(|seat| seat.starts_at).collect();
        }
        at.into_iter().min()
    }

    fn say(&mut self, now: Timestamp, what: String) {
        self.told.said.push(format!("{now} {what}"));
    }
}
