//! Reading inbound texts, campaigns and broadcasts.

use super::db::args;
use super::{Row, Store, StoreError};
use crate::domain::broadcast::{Occurrence, OpenBroadcast};
use crate::domain::campaign::CampaignState;
use crate::domain::ids::Id;
use crate::domain::phone::Phone;
use jiff::Timestamp;
use sqlx::AssertSqlSafe;

/// A campaign's row.
#[derive(Clone, Debug)]
pub struct CampaignRow {
    /// Its id.
    pub id: String,
    /// Whose consent it rests on.
    pub list: String,
    /// Grows with every change of file or state.
    pub revision: i64,
    /// The file as applied.
    pub source: String,
    /// What it is doing.
    pub state: CampaignState,
    /// All occurrences up to here have been dealt with.
    pub planned_until: Timestamp,
}

/// A broadcast's row, with what became of its people.
#[derive(Clone, Debug)]
pub struct BroadcastRow {
    /// Row id.
    pub id: Id,
    /// Which firing of which step.
    pub occurrence: Occurrence,
    /// `filling`, `filled`, `missed`.
    pub fate: String,
    /// Why missed.
    pub reason: Option<String>,
}

/// An inbound text's row.
#[derive(Clone, Debug)]
pub struct InboundRow {
    /// Row id.
    pub id: Id,
    /// The contact.
    pub contact: Option<Id>,
    /// The sender, where it is a number.
    pub from: Option<Phone>,
    /// What was written.
    pub body: String,
    /// What we understood.
    pub meaning: String,
    /// A person has to read it.
    pub needs_person: bool,
    /// When it came.
    pub received_at: Timestamp,
}

/// Texts that wait for a person to read them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Unread {
    /// How many.
    pub all: i64,
    /// The oldest one.
    pub since: Option<Timestamp>,
    /// How many of them may mean STOP: their senders get nothing until somebody has read them.
    pub held: i64,
    /// The oldest of those.
    pub held_since: Option<Timestamp>,
}

const CAMPAIGN: &str = "SELECT id, list, revision, source, state, planned_until FROM campaigns";

fn campaign(row: &Row) -> Result<CampaignRow, StoreError> {
    Ok(CampaignRow {
        id: row.text(0)?,
        list: row.text(1)?,
        revision: row.int(2)?,
        source: row.text(3)?,
        state: CampaignState::parse(&row.text(4)?).ok_or(StoreError::Corrupt("campaigns.state"))?,
        planned_until: row.instant(5)?,
    })
}

impl Store {
    /// Inbound texts, newest first; `waiting`: only those a person has to read.
    pub async fn inbounds(&self, waiting: bool, limit: i64) -> Result<Vec<InboundRow>, StoreError> {
        let rows = self
            .db
            .rows(
                "SELECT i.id, i.contact_id, c.phone, i.body, i.meaning, i.needs_person, i.received_at
                 FROM inbounds i LEFT JOIN contacts c ON c.id = i.contact_id
                 WHERE (i.needs_person = TRUE OR $1 = FALSE) ORDER BY i.received_at DESC, i.id DESC LIMIT $2",
                args![waiting, limit],
            )
            .await?;
        rows.iter().map(inbound).collect()
    }

    /// How many texts wait for a person, and since when; the same of those whose sender gets nothing until then.
    pub async fn unread(&self) -> Result<Unread, StoreError> {
        let rows = self
            .db
            .rows(
                "SELECT COUNT(*), MIN(received_at),
                   COUNT(CASE WHEN meaning = 'may be stop' THEN 1 END),
                   MIN(CASE WHEN meaning = 'may be stop' THEN received_at END)
                 FROM inbounds WHERE needs_person = TRUE",
                vec![],
            )
            .await?;
        let Some(row) = rows.first() else { return Ok(Unread::default()) };
        let since = |column| row.opt_int(column)?.map(|_| row.instant(column)).transpose();
        Ok(Unread { all: row.int(0)?, since: since(1)?, held: row.int(2)?, held_since: since(3)? })
    }

    /// When this text was handed over, if it was.
    pub async fn inbound_at(&self, gateway: &str, gateway_id: &str) -> Result<Option<Timestamp>, StoreError> {
        let rows = self
            .db
            .rows("SELECT received_at FROM inbounds WHERE gateway = $1 AND gateway_id = $2", args![gateway, gateway_id])
            .await?;
        rows.first().map(|row| row.instant(0)).transpose()
    }

    /// What was made of this text, if it was handed over.
    pub async fn inbound_meaning(&self, gateway: &str, gateway_id: &str) -> Result<Option<String>, StoreError> {
        let rows = self
            .db
            .rows("SELECT meaning FROM inbounds WHERE gateway = $1 AND gateway_id = $2", args![gateway, gateway_id])
            .await?;
        rows.first().map(|row| row.text(0)).transpose()
    }

    /// One inbound text.
    pub async fn inbound(&self, id: Id) -> Result<Option<InboundRow>, StoreError> {
        let rows = self
            .db
            .rows(
                "SELECT i.id, i.contact_id, c.phone, i.body, i.meaning, i.needs_person, i.received_at
                 FROM inbounds i LEFT JOIN contacts c ON c.id = i.contact_id WHERE i.id = $1",
                args![id],
            )
            .await?;
        rows.first().map(inbound).transpose()
    }

    /// How far a gateway's list of received texts has been read.
    pub async fn polled_to(&self, gateway: &str) -> Result<Option<String>, StoreError> {
        let name = format!("polled:{gateway}");
        let rows = self.db.rows("SELECT value FROM meta WHERE name = $1", args![&name]).await?;
        rows.first().map(|row| row.text(0)).transpose()
    }

    /// What is paused: (what, why, since).
    pub async fn pauses(&self) -> Result<Vec<(String, String, Timestamp)>, StoreError> {
        let rows = self.db.rows("SELECT name, reason, since FROM pauses ORDER BY name", vec![]).await?;
        rows.iter().map(|row| Ok((row.text(0)?, row.text(1)?, row.instant(2)?))).collect()
    }

    /// All campaigns, by id.
    pub async fn campaigns(&self) -> Result<Vec<CampaignRow>, StoreError> {
        let sql = format!("{CAMPAIGN} ORDER BY id");
        self.db.rows(AssertSqlSafe(sql), vec![]).await?.iter().map(campaign).collect()
    }

    /// One campaign.
    pub async fn campaign(&self, id: &str) -> Result<Option<CampaignRow>, StoreError> {
        let sql = format!("{CAMPAIGN} WHERE id = $1");
        self.db.rows(AssertSqlSafe(sql), args![id]).await?.first().map(campaign).transpose()
    }

    /// Broadcasts whose messages are still being made, of campaigns that run.
    pub async fn open_broadcasts(&self) -> Result<Vec<OpenBroadcast>, StoreError> {
        let rows = self
            .db
            .rows(
                "SELECT b.id, b.campaign, b.step, b.local_time, b.pass, b.due_at, b.not_after, b.filled_to
                 FROM broadcasts b JOIN campaigns p ON p.id = b.campaign
                 WHERE b.fate = 'filling' AND p.state = 'running' ORDER BY b.not_after, b.id",
                vec![],
            )
            .await?;
        rows.iter()
            .map(|row| {
                Ok(OpenBroadcast {
                    id: row.int(0)?,
                    campaign: row.text(1)?,
                    occurrence: occurrence(row, 2)?,
                    filled_to: row.int(7)?,
                })
            })
            .collect()
    }

    /// All broadcasts of a campaign, in order of time.
    pub async fn broadcasts(&self, campaign: &str) -> Result<Vec<BroadcastRow>, StoreError> {
        let rows = self
            .db
            .rows(
                "SELECT id, step, local_time, pass, due_at, not_after, fate, reason FROM broadcasts
                 WHERE campaign = $1 ORDER BY due_at, id",
                args![campaign],
            )
            .await?;
        rows.iter()
            .map(|row| {
                Ok(BroadcastRow {
                    id: row.int(0)?,
                    occurrence: occurrence(row, 1)?,
                    fate: row.text(6)?,
                    reason: row.opt_text(7)?,
                })
            })
            .collect()
    }

    /// Who got nothing from a broadcast: (reason, people).
    pub async fn passed_over(&self, broadcast: Id) -> Result<Vec<(String, i64)>, StoreError> {
        let rows = self
            .db
            .rows("SELECT reason, people FROM passed_over WHERE broadcast_id = $1 ORDER BY reason", args![broadcast])
            .await?;
        rows.iter().map(|row| Ok((row.text(0)?, row.int(1)?))).collect()
    }

    /// Steps that have fired: (step, people it was made for).
    pub async fn fired(&self, campaign: &str) -> Result<Vec<(String, u64)>, StoreError> {
        let rows = self
            .db
            .rows(
                "SELECT b.step, COUNT(m.id) FROM broadcasts b LEFT JOIN messages m ON m.broadcast_id = b.id
                 WHERE b.campaign = $1 AND b.fate <> 'missed' GROUP BY b.step ORDER BY b.step",
                args![campaign],
            )
            .await?;
        rows.iter().map(|row| Ok((row.text(0)?, u64::try_from(row.int(1)?).unwrap_or(0)))).collect()
    }
}

fn inbound(row: &Row) -> Result<InboundRow, StoreError> {
    Ok(InboundRow {
        id: row.int(0)?,
        contact: row.opt_int(1)?,
        from: row.opt_text(2)?.and_then(|p| Phone::from_e164(&p)),
        body: row.text(3)?,
        meaning: row.text(4)?,
        needs_person: row.bool(5)?,
        received_at: row.instant(6)?,
    })
}

fn occurrence(row: &Row, first: usize) -> Result<Occurrence, StoreError> {
    Ok(Occurrence {
        step: row.text(first)?,
        local: row.text(first + 1)?,
        pass: u8::try_from(row.int(first + 2)?).map_err(|_| StoreError::Corrupt("broadcasts.pass"))?,
        due_at: row.instant(first + 3)?,
        not_after: row.instant(first + 4)?,
    })
}
