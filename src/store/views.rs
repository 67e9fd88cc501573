//! Reading contacts, consent, inbound texts, campaigns and broadcasts.

use super::db::{args, placeholders};
use super::{Row, Store, StoreError};
use crate::domain::broadcast::{Occurrence, OpenBroadcast};
use crate::domain::campaign::CampaignState;
use crate::domain::consent::Standing;
use crate::domain::contact::{Candidate, Contact, Internet};
use crate::domain::ids::Id;
use crate::domain::phone::Phone;
use jiff::Timestamp;
use sqlx::AssertSqlSafe;
use std::collections::HashMap;

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

/// An entry of the ledger, as people read it.
#[derive(Clone, Debug)]
pub struct EventRow {
    /// When it counts from.
    pub at: Timestamp,
    /// What happened.
    pub kind: String,
    /// Which list.
    pub list: Option<String>,
    /// Who decided.
    pub actor: String,
    /// How.
    pub source: String,
    /// Wording shown.
    pub wording: Option<String>,
    /// The words it rests on.
    pub evidence: Option<String>,
}

const CONTACT: &str = "c.id, c.phone, c.name, c.language, c.internet, c.tags, c.held_for";
const CAMPAIGN: &str = "SELECT id, list, revision, source, state, planned_until FROM campaigns";

fn contact(row: &Row) -> Result<Contact, StoreError> {
    Ok(Contact {
        id: row.int(0)?,
        phone: Phone::from_e164(&row.text(1)?).ok_or(StoreError::Corrupt("contacts.phone"))?,
        name: row.opt_text(2)?,
        language: row.opt_text(3)?,
        internet: Internet::parse(&row.text(4)?).ok_or(StoreError::Corrupt("contacts.internet"))?,
        tags: row.text(5)?.split(';').filter(|t| !t.is_empty()).map(str::to_owned).collect(),
        held_for: row.opt_text(6)?,
    })
}

fn standing(word: &str) -> Result<Standing, StoreError> {
    Standing::parse(word).ok_or(StoreError::Corrupt("consents.standing"))
}

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
    /// The contact with this number.
    pub async fn contact(&self, phone: &Phone) -> Result<Option<Contact>, StoreError> {
        let sql = format!("SELECT {CONTACT} FROM contacts c WHERE c.phone = $1");
        let rows = self.db.rows(AssertSqlSafe(sql), args![phone.e164()]).await?;
        rows.first().map(contact).transpose()
    }

    /// Contacts whose number ends with these digits, at most `limit`.
    pub async fn contacts_ending(&self, digits: &str, limit: i64) -> Result<Vec<Contact>, StoreError> {
        let digits: String = digits.chars().filter(char::is_ascii_digit).collect();
        let sql = format!("SELECT {CONTACT} FROM contacts c WHERE c.phone LIKE $1 ORDER BY c.id LIMIT $2");
        self.db.rows(AssertSqlSafe(sql), args![&format!("%{digits}"), limit]).await?.iter().map(contact).collect()
    }

    /// The contact of this id.
    pub async fn contact_by_id(&self, id: Id) -> Result<Option<Contact>, StoreError> {
        let sql = format!("SELECT {CONTACT} FROM contacts c WHERE c.id = $1");
        self.db.rows(AssertSqlSafe(sql), args![id]).await?.first().map(contact).transpose()
    }

    /// Contacts in order of id, after one, at most `limit`.
    pub async fn contacts(&self, after: Id, limit: i64) -> Result<Vec<Contact>, StoreError> {
        let sql = format!("SELECT {CONTACT} FROM contacts c WHERE c.id > $1 ORDER BY c.id LIMIT $2");
        self.db.rows(AssertSqlSafe(sql), args![after, limit]).await?.iter().map(contact).collect()
    }

    /// Known contacts among `phones` (at most some hundreds), by number.
    pub async fn contacts_among(&self, phones: &[Phone]) -> Result<HashMap<Phone, Contact>, StoreError> {
        if phones.is_empty() {
            return Ok(HashMap::new());
        }
        let sql = format!("SELECT {CONTACT} FROM contacts c WHERE c.phone IN {}", placeholders(1, phones.len()));
        let rows = self.db.rows(AssertSqlSafe(sql), phones.iter().flat_map(|p| args![p.e164()]).collect()).await?;
        rows.iter().map(|row| contact(row).map(|c| (c.phone.clone(), c))).collect()
    }

    /// Which of `phones` are suppressed.
    pub async fn suppressed_among(&self, phones: &[Phone]) -> Result<Vec<Phone>, StoreError> {
        if phones.is_empty() {
            return Ok(Vec::new());
        }
        let hashes: HashMap<String, &Phone> = phones.iter().map(|p| (self.number_hash(p), p)).collect();
        let sql = format!("SELECT phone_hash FROM suppressions WHERE phone_hash IN {}", placeholders(1, hashes.len()));
        let rows = self.db.rows(AssertSqlSafe(sql), hashes.keys().flat_map(|h| args![h]).collect()).await?;
        rows.iter()
            .map(|row| row.text(0))
            .filter_map(|hash| hash.map(|h| hashes.get(&h).map(|p| (*p).clone())).transpose())
            .collect()
    }

    /// How a contact stands to every list it ever had to do with.
    pub async fn standings(&self, contact: Id) -> Result<Vec<(String, Standing)>, StoreError> {
        let rows = self
            .db
            .rows("SELECT list, standing FROM consents WHERE contact_id = $1 ORDER BY list", args![contact])
            .await?;
        rows.iter().map(|row| Ok((row.text(0)?, standing(&row.text(1)?)?))).collect()
    }

    /// Standings to one list of known contacts among `contacts`.
    pub async fn standings_among(&self, list: &str, contacts: &[Id]) -> Result<HashMap<Id, Standing>, StoreError> {
        if contacts.is_empty() {
            return Ok(HashMap::new());
        }
        let numbers: Vec<String> = (0..contacts.len()).map(|n| format!("${}", n + 2)).collect();
        let sql = format!(
            "SELECT contact_id, standing FROM consents WHERE list = $1 AND contact_id IN ({})",
            numbers.join(",")
        );
        let mut parameters = args![list];
        parameters.extend(contacts.iter().flat_map(|id| args![*id]));
        let rows = self.db.rows(AssertSqlSafe(sql), parameters).await?;
        rows.iter().map(|row| Ok((row.int(0)?, standing(&row.text(1)?)?))).collect()
    }

    /// Kinds of answers made for a contact at or after `since`.
    pub async fn answered(&self, contact: Id, since: Timestamp) -> Result<Vec<String>, StoreError> {
        let rows = self
            .db
            .rows(
                "SELECT DISTINCT reply FROM messages WHERE contact_id = $1 AND reply IS NOT NULL AND created_at >= $2",
                args![contact, since],
            )
            .await?;
        rows.iter().map(|row| row.text(0)).collect()
    }

    /// One page of everybody who has to do with a list, in order of contact id, as a step of a campaign sees them.
    pub async fn candidates(
        &self,
        list: &str,
        campaign: &str,
        after: Id,
        limit: i64,
    ) -> Result<Vec<Candidate>, StoreError> {
        let sql = format!(
            "SELECT {CONTACT}, k.standing,
               CASE WHEN EXISTS (SELECT 1 FROM suppressions s WHERE s.phone_hash = c.phone_hash) THEN 1 ELSE 0 END,
               CASE WHEN EXISTS (SELECT 1 FROM dones d WHERE d.contact_id = c.id AND d.campaign = $2) THEN 1 ELSE 0 END
             FROM consents k JOIN contacts c ON c.id = k.contact_id
             WHERE k.list = $1 AND k.contact_id > $3 ORDER BY k.contact_id LIMIT $4"
        );
        // The CASEs are INT4 on PostgreSQL: cast, so that one reader serves both.
        let sql = sql.replace("THEN 1 ELSE 0 END", "THEN CAST(1 AS BIGINT) ELSE CAST(0 AS BIGINT) END");
        let rows = self.db.rows(AssertSqlSafe(sql), args![list, campaign, after, limit]).await?;
        rows.iter()
            .map(|row| {
                Ok(Candidate {
                    contact: contact(row)?,
                    standing: standing(&row.text(7)?)?,
                    suppressed: row.int(8)? != 0,
                    done: row.int(9)? != 0,
                })
            })
            .collect()
    }

    /// How many people stand how to a list.
    pub async fn list_counts(&self, list: &str) -> Result<Vec<(Standing, i64)>, StoreError> {
        let rows = self
            .db
            .rows("SELECT standing, COUNT(*) FROM consents WHERE list = $1 GROUP BY standing", args![list])
            .await?;
        rows.iter().map(|row| Ok((standing(&row.text(0)?)?, row.int(1)?))).collect()
    }

    /// How many contacts there are.
    pub async fn contact_count(&self) -> Result<i64, StoreError> {
        let rows = self.db.rows("SELECT COUNT(*) FROM contacts", vec![]).await?;
        rows.first().ok_or(StoreError::Corrupt("COUNT"))?.int(0)
    }

    /// How many contacts have a live opt-in to some list and are not suppressed.
    pub async fn opted_in(&self) -> Result<i64, StoreError> {
        let rows = self
            .db
            .rows(
                "SELECT COUNT(DISTINCT k.contact_id) FROM consents k JOIN contacts c ON c.id = k.contact_id
                 WHERE k.standing = 'in' AND NOT EXISTS (SELECT 1 FROM suppressions s WHERE s.phone_hash = c.phone_hash)",
                vec![],
            )
            .await?;
        rows.first().ok_or(StoreError::Corrupt("COUNT"))?.int(0)
    }

    /// How many people of a list can be texted now: agreed, not suppressed, not held for review.
    pub async fn textable(&self, list: &str) -> Result<i64, StoreError> {
        let rows = self
            .db
            .rows(
                "SELECT COUNT(*) FROM consents k JOIN contacts c ON c.id = k.contact_id
                 WHERE k.list = $1 AND k.standing = 'in' AND c.held_for IS NULL
                   AND NOT EXISTS (SELECT 1 FROM suppressions s WHERE s.phone_hash = c.phone_hash)",
                args![list],
            )
            .await?;
        rows.first().ok_or(StoreError::Corrupt("COUNT"))?.int(0)
    }

    /// A contact's ledger, oldest first.
    pub async fn events(&self, contact: Id) -> Result<Vec<EventRow>, StoreError> {
        let rows = self
            .db
            .rows(
                "SELECT at, kind, list, actor, source, wording, evidence FROM events WHERE contact_id = $1 ORDER BY at, id",
                args![contact],
            )
            .await?;
        rows.iter()
            .map(|row| {
                Ok(EventRow {
                    at: row.instant(0)?,
                    kind: row.text(1)?,
                    list: row.opt_text(2)?,
                    actor: row.text(3)?,
                    source: row.text(4)?,
                    wording: row.opt_text(5)?,
                    evidence: row.opt_text(6)?,
                })
            })
            .collect()
    }

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
