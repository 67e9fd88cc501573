//! Reading contacts, what they agreed to, and their ledger.

use super::db::{args, placeholders};
use super::{Row, Store, StoreError};
use crate::domain::consent::Standing;
use crate::domain::contact::{Candidate, Contact, Internet};
use crate::domain::ids::Id;
use crate::domain::phone::Phone;
use jiff::Timestamp;
use sqlx::AssertSqlSafe;
use std::collections::HashMap;

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
    /// Its row.
    pub id: Id,
    /// The seal that holds it; none yet for what has just happened.
    pub seal: Option<i64>,
}

const CONTACT: &str = "c.id, c.phone, c.name, c.language, c.internet, c.tags, c.held_for";

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
        let sql = format!(
            "SELECT {CONTACT} FROM contacts c WHERE c.phone LIKE $1 AND c.phone NOT LIKE 'forgotten:%' ORDER BY c.id LIMIT $2"
        );
        self.db.rows(AssertSqlSafe(sql), args![&format!("%{digits}"), limit]).await?.iter().map(contact).collect()
    }

    /// The contact of this id.
    pub async fn contact_by_id(&self, id: Id) -> Result<Option<Contact>, StoreError> {
        let sql = format!("SELECT {CONTACT} FROM contacts c WHERE c.id = $1 AND c.phone NOT LIKE 'forgotten:%'");
        self.db.rows(AssertSqlSafe(sql), args![id]).await?.first().map(contact).transpose()
    }

    /// Contacts in order of id, after one, at most `limit`.
    pub async fn contacts(&self, after: Id, limit: i64) -> Result<Vec<Contact>, StoreError> {
        let sql = format!(
            "SELECT {CONTACT} FROM contacts c WHERE c.id > $1 AND c.phone NOT LIKE 'forgotten:%' ORDER BY c.id LIMIT $2"
        );
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

    /// Answers made for a contact at or after `since`: (kind, when).
    pub async fn answered(&self, contact: Id, since: Timestamp) -> Result<Vec<(String, Timestamp)>, StoreError> {
        let rows = self
            .db
            .rows(
                "SELECT reply, created_at FROM messages WHERE contact_id = $1 AND reply IS NOT NULL AND created_at >= $2",
                args![contact, since],
            )
            .await?;
        rows.iter().map(|row| Ok((row.text(0)?, row.instant(1)?))).collect()
    }

    /// Lists for which a contact was asked for a YES at or after `since`, and has neither joined nor left after that.
    pub async fn asked(&self, contact: Id, since: Timestamp) -> Result<Vec<(String, Timestamp)>, StoreError> {
        let sql = "SELECT kind, list, at FROM events WHERE contact_id = $1 AND at >= $2
             AND kind IN ('asked', 'opted_in', 'opted_out') ORDER BY at, id";
        let mut asked: Vec<(String, Timestamp)> = Vec::new();
        for row in self.db.rows(sql, args![contact, since]).await? {
            match (row.text(0)?.as_str(), row.opt_text(1)?) {
                ("asked", Some(list)) => asked.push((list, row.instant(2)?)),
                (_, Some(list)) => asked.retain(|(name, _)| *name != list),
                (_, None) => asked.clear(),
            }
        }
        Ok(asked)
    }

    /// When the answers that count against their cap leave or have left, the last `count` of them, the latest first.
    pub async fn last_answers(&self, count: i64) -> Result<Vec<Timestamp>, StoreError> {
        let sql = "SELECT not_before FROM messages
             WHERE inbound_id IS NOT NULL AND reply <> 'goodbye' AND reply <> 'person' ORDER BY not_before DESC LIMIT $1";
        self.db.rows(sql, args![count]).await?.iter().map(|row| row.instant(0)).collect()
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
             WHERE k.list = $1 AND k.contact_id > $3 AND c.phone NOT LIKE 'forgotten:%' ORDER BY k.contact_id LIMIT $4"
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
        let rows = self.db.rows("SELECT COUNT(*) FROM contacts WHERE phone NOT LIKE 'forgotten:%'", vec![]).await?;
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
                "SELECT e.at, e.kind, e.list, e.actor, COALESCE(d.source, ''), e.wording, d.evidence, e.id, e.seal
                 FROM events e LEFT JOIN event_details d ON d.event_id = e.id WHERE e.contact_id = $1 ORDER BY e.at, e.id",
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
                    id: row.int(7)?,
                    seal: row.opt_int(8)?,
                })
            })
            .collect()
    }
}
