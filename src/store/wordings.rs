//! The wording that people were shown, kept by version: what somebody agreed to stands here as it was then.

use super::db::args;
use super::{Store, StoreError};
use crate::domain::list::List;
use jiff::Timestamp;

impl Store {
    /// Keeps the wordings of these lists. A text that differs from what was kept under its version is not kept: that list.
    pub async fn keep_wordings<'l>(&self, lists: &'l [List], now: Timestamp) -> Result<Option<&'l List>, StoreError> {
        for list in lists {
            match self.wording(&list.name, &list.wording_version).await? {
                Some(kept) if kept != list.wording => return Ok(Some(list)),
                Some(_) => {}
                None => {
                    let mut tx = self.db.begin().await?;
                    tx.run(
                        "INSERT INTO wordings (list, version, text, first_seen) VALUES ($1, $2, $3, $4)
                         ON CONFLICT (list, version) DO NOTHING",
                        args![&list.name, &list.wording_version, &list.wording, now],
                    )
                    .await?;
                    tx.commit().await?;
                }
            }
        }
        Ok(None)
    }

    /// The wording of a list as it was under a version.
    pub async fn wording(&self, list: &str, version: &str) -> Result<Option<String>, StoreError> {
        let sql = "SELECT text FROM wordings WHERE list = $1 AND version = $2";
        self.db.rows(sql, args![list, version]).await?.first().map(|row| row.text(0)).transpose()
    }
}
