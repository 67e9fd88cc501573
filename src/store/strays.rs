//! Reports that came before we knew the text they are about, and the ids under which a gateway speaks of texts.

use super::db::args;
use super::{Store, StoreError, Tx};
use crate::domain::ids::Id;
use crate::domain::message::State;
use crate::domain::report::{ReportStatus, StrayReport};
use jiff::{SignedDuration, Timestamp};

/// How long a report about an unknown text is kept.
pub(super) const KEPT_FOR: SignedDuration = SignedDuration::from_hours(7 * 24);

pub(super) async fn keep(tx: &mut Tx, stray: &StrayReport) -> Result<u64, StoreError> {
    tx.run(
        "INSERT INTO strays (id, gateway, fingerprint, gateway_id, status, detail, opted_out, received_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8) ON CONFLICT (gateway, fingerprint) DO NOTHING",
        args![
            stray.id,
            &stray.gateway,
            &stray.fingerprint,
            &stray.gateway_id,
            stray.status.as_str(),
            &stray.detail,
            stray.opted_out,
            stray.received_at,
        ],
    )
    .await
}

/// Strays that are older than a week are forgotten.
pub(super) async fn forget(tx: &mut Tx, now: Timestamp) -> Result<u64, StoreError> {
    let before = now.saturating_sub(KEPT_FOR).unwrap_or(Timestamp::MIN);
    tx.run("DELETE FROM strays WHERE received_at <= $1", args![before]).await
}

impl Store {
    /// The text that the gateway knows under this id, its state, and whom it is for.
    pub async fn by_handle(&self, gateway_id: &str) -> Result<Option<(Id, State, Id)>, StoreError> {
        let sql = "SELECT m.id, m.state, m.contact_id FROM handles h JOIN messages m ON m.id = h.message_id
                   WHERE h.gateway_id = $1";
        let rows = self.db.rows(sql, args![gateway_id]).await?;
        let Some(row) = rows.first() else { return Ok(None) };
        let state = State::parse(&row.text(1)?).ok_or(StoreError::Corrupt("messages.state"))?;
        Ok(Some((row.int(0)?, state, row.int(2)?)))
    }

    /// Strays whose text is known by now.
    pub async fn found_strays(&self, limit: i64) -> Result<Vec<StrayReport>, StoreError> {
        let sql = "SELECT s.id, s.gateway, s.fingerprint, s.gateway_id, s.status, s.detail, s.opted_out, s.received_at
                   FROM strays s JOIN handles h ON h.gateway_id = s.gateway_id ORDER BY s.id LIMIT $1";
        let rows = self.db.rows(sql, args![limit]).await?;
        rows.iter()
            .map(|row| {
                Ok(StrayReport {
                    id: row.int(0)?,
                    gateway: row.text(1)?,
                    fingerprint: row.text(2)?,
                    gateway_id: row.text(3)?,
                    status: ReportStatus::parse(&row.text(4)?).ok_or(StoreError::Corrupt("strays.status"))?,
                    detail: row.text(5)?,
                    opted_out: row.bool(6)?,
                    received_at: row.instant(7)?,
                })
            })
            .collect()
    }

    /// How many reports are about texts that nobody knows.
    pub async fn stray_count(&self) -> Result<i64, StoreError> {
        let rows = self.db.rows("SELECT COUNT(*) FROM strays", vec![]).await?;
        rows.first().map_or(Ok(0), |row| row.int(0))
    }
}
