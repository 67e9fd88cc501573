//! Breaking the rules on purpose, behind the engine's back, so that `demo --sabotage` can show that the account at the
//! end would notice. Reached from the demo only; each is what other tools do by design.

use super::db::args;
use super::{Store, StoreError};
use jiff::Timestamp;

/// Which rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sabotage {
    /// A lost answer is simply sent again.
    Twice,
    /// The worker's clock is four hours slow. (Not in the store: see `app::story`.)
    Late,
    /// People who said stop are revived.
    Stop,
    /// People who never agreed are treated as if they had.
    Consent,
}

impl Store {
    /// Breaks the rule in the rows, if it is one of rows.
    pub async fn sabotage(&self, rule: Sabotage, now: Timestamp) -> Result<(), StoreError> {
        let statements: &[&'static str] = match rule {
            Sabotage::Twice => {
                &["UPDATE messages SET state = 'queued', ask_at = NULL WHERE state = 'in_doubt' AND not_after > $1"]
            }
            Sabotage::Stop => &[
                "DELETE FROM suppressions WHERE since <= $1",
                "UPDATE consents SET standing = 'in' WHERE standing = 'out' AND since <= $1",
            ],
            Sabotage::Consent => &["UPDATE consents SET standing = 'in' WHERE standing = 'pending' AND since <= $1"],
            Sabotage::Late => &[],
        };
        let mut tx = self.db.begin().await?;
        for statement in statements {
            tx.run(*statement, args![now]).await?;
        }
        tx.commit().await
    }
}
