//! The words of [`super::keyword`], from `config/words.txt`, which says what each kind of them means.

use std::sync::LazyLock;

const SOURCE: &str = include_str!("../../config/words.txt");

/// The words under a name. A missing name is found by the first test that asks anything.
fn read(name: &str) -> Vec<&'static str> {
    let mut lines = SOURCE.lines().skip_while(|line| line.split(':').next() != Some(name));
    let first = lines.next().and_then(|line| line.split_once(':')).expect("each kind of words is in the file").1;
    let more = lines.take_while(|line| line.starts_with(' ')).flat_map(|line| line.split(','));
    first.split(',').chain(more).map(str::trim).filter(|word| !word.is_empty()).collect()
}

macro_rules! words {
    ($($name:ident)*) => {
        $(pub(super) static $name: LazyLock<Vec<&str>> = LazyLock::new(|| read(stringify!($name)));)*
    };
}

words! {
    STOP STOP_WHOLE STOP_WITH_FILLER STOP_AMONG FILLER POLITE COURTESY COMMANDS START YES AROUND_YES NO HELP DONE AROUND_DONE NEGATIONS STOP_PHRASES REFUSALS AROUND TEXTS LIKE_STOPPING REVIEW_PHRASES NOT_STOP SIGNATURES WANTS_TO_JOIN EVERYDAY RESERVED_LIKE
}
