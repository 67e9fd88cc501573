//! The last text of a campaign for each of some contacts.

use crate::store::made::CAMPAIGN;
use crate::support::{World, both_engines};
use ringround::domain::campaign::CampaignState;
use ringround::domain::message::State;

both_engines! { the_last_text_of_a_campaign_counts }

async fn the_last_text_of_a_campaign_counts(world: &World) {
    world.campaign(CAMPAIGN, CampaignState::Running).await;
    let (first, second, third) = (world.family(1).await, world.family(2).await, world.family(3).await);
    world.text_in(first, State::Undelivered).await;
    world.text_in(first, State::Delivered).await;
    world.text_in(second, State::Unresolved).await;
    world.queue(&[world.answer(third, "help")]).await;
    let broadcasts = format!(
        "INSERT INTO broadcasts (id, campaign, step, local_time, pass, due_at, not_after, fate, filled_to, opened_at)
         SELECT broadcast_id, '{CAMPAIGN}', 'opening', CAST(id AS TEXT), 1, id, 0, 'filled', 0, 0 FROM messages
         WHERE broadcast_id IS NOT NULL"
    );
    world.sql(&broadcasts).await;
    let last = world.store.last_texts(CAMPAIGN, &[first, second, third]).await.unwrap();
    assert_eq!((last[&first].state, last[&second].state, last.len()), (State::Delivered, State::Unresolved, 2));
    assert_eq!(world.store.last_texts("another", &[first]).await.unwrap().len(), 0);
    assert_eq!(world.store.last_texts(CAMPAIGN, &[]).await.unwrap().len(), 0);
}
