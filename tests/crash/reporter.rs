//! Posts reports when they are due, again and again until they are acknowledged, as gateways do.

use super::callbacks::Callback;
use super::waiting::now_ms;
use std::collections::BinaryHeap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

const HANDS: usize = 4;
const AGAIN_AFTER_MS: i64 = 200;
const TRIES: u32 = 300;

struct Due {
    at: i64,
    tries: u32,
    callback: Callback,
}

impl PartialEq for Due {
    fn eq(&self, other: &Self) -> bool {
        self.at == other.at
    }
}
impl Eq for Due {}
impl PartialOrd for Due {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}
impl Ord for Due {
    /// The earliest is the greatest: it stands on top of the heap.
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        other.at.cmp(&self.at)
    }
}

#[derive(Default)]
struct Shared {
    heap: Mutex<BinaryHeap<Due>>,
    change: Condvar,
    acknowledged: AtomicUsize,
    refused: AtomicUsize,
}

pub struct Reporter(Arc<Shared>);

impl Reporter {
    pub fn start() -> Self {
        let shared = Arc::new(Shared::default());
        for _ in 0..HANDS {
            let shared = Arc::clone(&shared);
            std::thread::spawn(move || work(&shared));
        }
        Self(shared)
    }

    pub fn later(&self, at: i64, callback: Callback) {
        self.0.heap.lock().unwrap().push(Due { at, tries: 0, callback });
        self.0.change.notify_one();
    }

    /// Acknowledged; answered with something else.
    pub fn counts(&self) -> (usize, usize) {
        (self.0.acknowledged.load(Ordering::Relaxed), self.0.refused.load(Ordering::Relaxed))
    }
}

fn work(shared: &Shared) {
    let mut heap = shared.heap.lock().unwrap();
    loop {
        let wait = heap.peek().map_or(1000, |due| (due.at - now_ms()).clamp(0, 1000));
        if wait > 0 {
            let wait = Duration::from_millis(u64::try_from(wait).unwrap());
            heap = shared.change.wait_timeout(heap, wait).unwrap().0;
            continue;
        }
        let Some(due) = heap.pop() else { continue };
        drop(heap);
        let status = due.callback.post();
        heap = shared.heap.lock().unwrap();
        match status {
            Some(200) => {
                shared.acknowledged.fetch_add(1, Ordering::Relaxed);
            }
            Some(status) if status != 503 => {
                shared.refused.fetch_add(1, Ordering::Relaxed);
            }
            _ if due.tries < TRIES => heap.push(Due { at: now_ms() + AGAIN_AFTER_MS, tries: due.tries + 1, ..due }),
            _ => {}
        }
    }
}
