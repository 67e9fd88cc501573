//! No statement is left out: every SQL text in `src/store` is found by reading the source, and explained by both
//! engines. A new statement is found by itself; a new gap in one asks for its filling here.

use crate::support::{Engine, World, both_engines};
use sqlx::AssertSqlSafe;
use std::collections::BTreeMap;
use std::path::Path;

both_engines! { every_statement_is_understood }

/// How the code fills gaps that are no constants of the same file: (a piece of the statement with its gap, fillings).
const FILLINGS: [(&str, &[&str]); 13] = [
    ("{PAIRS}", &["($1,$2),($3,$4)"]),
    ("{FOURS}", &["($1,$2,$3,$4),($5,$6,$7,$8)"]),
    ("{CAMPAIGNS}", &["", " OR campaign IN ($4,$5)"]),
    ("body = body WHERE id IN ({})", &["body = body WHERE id IN ($1,$2)"]),
    ("bodies WHERE id IN ({})", &["bodies WHERE id IN ($1,$2)"]),
    ("{CANCELLED}", &[CANCELLED]),
    ("{QUIET}", &["", "AND m.campaign NOT IN ($5,$6)"]),
    ("m.id IN ({IDS})", &["m.id IN ($1,$2)"]),
    ("c.phone IN {}", &["c.phone IN ($1,$2)"]),
    ("phone_hash IN {}", &["phone_hash IN ($1,$2)"]),
    ("contact_id IN ({})", &["contact_id IN ($2,$3)"]),
    ("state IN ({})", &["state IN ('draft','paused')"]),
    ("WHERE {of}", &["WHERE broadcast_id = $1", "WHERE (CAST($1 AS TEXT) IS NULL OR campaign = $1)"]),
];

/// What `CANCELLED` in `write_messages.rs` sets, in short.
const CANCELLED: &str = "state = CASE WHEN ask_at IS NULL THEN 'cancelled' ELSE 'in_doubt' END,
    reason = CAST($2 AS TEXT), ended_at = CASE WHEN ask_at IS NULL THEN CAST($3 AS BIGINT) END";

/// What only one engine has, and is only asked there.
const OF_ONE: [(&str, Engine); 5] = [
    ("sqlite_master", Engine::Sqlite),
    ("information_schema", Engine::Postgres),
    ("pg_control_system", Engine::Postgres),
    ("clock_timestamp", Engine::Postgres),
    ("pg_notify", Engine::Postgres),
];

/// A string literal of a source file.
struct Literal {
    file: String,
    /// `NAME` where it is the value of `const NAME: &str`.
    constant: Option<String>,
    text: String,
}

async fn every_statement_is_understood(world: &World) {
    let literals = literals();
    let statements: Vec<&Literal> = literals.iter().filter(|l| is_statement(l, &literals)).collect();
    assert!(statements.len() >= 65, "the reader of the source has gone blind: it finds {}", statements.len());
    let mut explained = 0;
    for literal in statements {
        for sql in filled(literal, &literals) {
            let sql = for_engine(literal, sql, &literals, world.engine);
            if OF_ONE.iter().any(|(word, engine)| sql.contains(word) && *engine != world.engine) {
                continue;
            }
            explain(world, &literal.file, &sql).await;
            explained += 1;
        }
    }
    assert!(explained >= 65, "{explained}");
}

/// PostgreSQL may run the part that finds what is due anew for each row; without its own look at the state, a claim that
/// waited for another one's would take the same texts again.
#[test]
fn a_claim_looks_at_the_state_of_what_it_takes() {
    let claims: Vec<String> = literals()
        .into_iter()
        .filter(|literal| matches!(literal.constant.as_deref(), Some("REPLIES" | "BROADCASTS")))
        .map(|literal| literal.text.split_whitespace().collect::<Vec<_>>().join(" "))
        .collect();
    assert_eq!(claims.len(), 2);
    for claim in claims {
        let outer = claim.split("UPDATE messages").nth(1).unwrap();
        assert!(outer.contains("WHERE state = 'queued' AND id IN"), "{outer}");
    }
}

/// The plan is thrown away; that there is one shows that every table, column and type fits.
async fn explain(world: &World, file: &str, sql: &str) {
    let sql = match world.engine {
        Engine::Sqlite => format!("EXPLAIN {sql}"),
        Engine::Postgres => {
            let count = (1..100).take_while(|n| has_parameter(sql, *n)).count();
            let nulls = if count == 0 { String::new() } else { format!("({})", vec!["NULL"; count].join(",")) };
            format!("PREPARE looked_at AS {sql}; EXPLAIN EXECUTE looked_at{nulls}; DEALLOCATE looked_at")
        }
    };
    let explained = match world.store.db() {
        ringround::store::Db::Sqlite(pool, _) => {
            sqlx::raw_sql(AssertSqlSafe(sql.clone())).execute(pool).await.map(|_| ())
        }
        ringround::store::Db::Postgres(pool) => {
            let mut connection = pool.acquire().await.unwrap();
            sqlx::raw_sql(AssertSqlSafe(sql.clone())).execute(&mut *connection).await.map(|_| ())
        }
    };
    if let Err(error) = explained {
        panic!("{file}: {error}\n{sql}");
    }
}

fn has_parameter(sql: &str, n: usize) -> bool {
    let name = format!("${n}");
    sql.match_indices(&name).any(|(at, _)| !sql[at + name.len()..].starts_with(|c: char| c.is_ascii_digit()))
}

const FIRST_WORDS: [&str; 5] = ["SELECT ", "INSERT ", "UPDATE ", "DELETE ", "WITH "];

fn begins_a_statement(text: &str) -> bool {
    FIRST_WORDS.iter().any(|word| text.starts_with(word))
}

/// A statement, or one that a constant begins.
fn is_statement(literal: &Literal, all: &[Literal]) -> bool {
    begins_a_statement(&with_constants(literal, all))
}

/// `{NAME}` becomes the constant of that name in the same file. Lock clauses are not for both engines: they stay.
fn with_constants(literal: &Literal, all: &[Literal]) -> String {
    let constants = all.iter().filter(|l| l.file == literal.file);
    let mut text = literal.text.clone();
    for (name, value) in constants.filter_map(|l| Some((l.constant.as_ref()?, &l.text))) {
        text = text.replace(&format!("{{{name}}}"), value);
    }
    text
}

/// The statement in every way in which the code fills its gaps.
fn filled(literal: &Literal, all: &[Literal]) -> Vec<String> {
    let mut texts = vec![with_constants(literal, all)];
    if let Some((before, after)) = texts[0].clone().split_once("VALUES {}") {
        let columns = before.rsplit_once('(').unwrap().1.split(',').count();
        let row = |from: usize| (from..from + columns).map(|n| format!("${n}")).collect::<Vec<_>>().join(",");
        texts = vec![format!("{before}VALUES ({}),({}){after}", row(1), row(1 + columns))];
    }
    for (gap, fillings) in FILLINGS {
        let fill = |text: String| -> Vec<String> {
            if text.contains(gap) { fillings.iter().map(|f| text.replace(gap, f)).collect() } else { vec![text] }
        };
        texts = texts.into_iter().flat_map(fill).collect();
    }
    for text in &texts {
        let left = text.replace("{LOCK}", "");
        assert!(!left.contains('{'), "{}: say in FILLINGS how the code fills the gap in\n{text}", literal.file);
    }
    texts
}

/// The lock clause of the constant NAME is the constant NAME_LOCK, and PostgreSQL's alone.
fn for_engine(literal: &Literal, sql: String, all: &[Literal], engine: Engine) -> String {
    if !sql.contains("{LOCK}") {
        return sql;
    }
    let name = format!("{}_LOCK", literal.constant.as_ref().unwrap());
    let lock = all.iter().find(|l| l.constant.as_ref() == Some(&name)).unwrap();
    sql.replace("{LOCK}", if engine == Engine::Postgres { &lock.text } else { "" })
}

/// Every string literal of the store's source, in order.
fn literals() -> Vec<Literal> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/store");
    let mut literals = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let file = path.file_name().unwrap().to_string_lossy().into_owned();
        read(&file, &std::fs::read_to_string(&path).unwrap(), &mut literals);
    }
    literals
}

/// Reads as much of Rust as it takes to tell strings from comments and characters.
fn read(file: &str, source: &str, literals: &mut Vec<Literal>) {
    assert!(!source.contains("r#") && !source.contains("/*"), "{file}: teach this reader raw strings and /* */ first");
    let mut at = 0;
    while let Some(found) = source[at..].find(['"', '\'', '/']) {
        at += found;
        let rest = &source[at..];
        at += if rest.starts_with("//") {
            rest.find('\n').unwrap_or(rest.len())
        } else if let Some(text) = rest.strip_prefix('"') {
            let (text, length) = string(text);
            let constant = source[..at].trim_end().strip_suffix(": &str =").and_then(|s| s.rsplit(' ').next());
            literals.push(Literal { file: file.to_owned(), constant: constant.map(str::to_owned), text });
            length + 2
        } else if let Some(escape) = rest.strip_prefix("'\\") {
            // What is escaped may be a quote itself.
            "'\\".len() + 1 + escape[1..].find('\'').unwrap() + 1
        } else if let Some(c) = rest.strip_prefix('\'').and_then(|r| r.chars().next()) {
            // A character, else a lifetime.
            let character = format!("'{c}'");
            if rest.starts_with(&character) { character.len() } else { 1 }
        } else {
            1
        };
    }
}

/// The text up to the closing quote, and how many bytes of source it takes.
fn string(source: &str) -> (String, usize) {
    let (mut text, mut escaped) = (String::new(), false);
    for (at, c) in source.char_indices() {
        match c {
            '"' if !escaped => return (text, at),
            '\\' if !escaped => escaped = true,
            _ => {
                text.push(c);
                escaped = false;
            }
        }
    }
    panic!("a string without an end")
}

#[test]
fn the_source_is_read_as_rust_reads_it() {
    let source = r#"
        // "SELECT nothing" in a comment
        const LIST: &str = "SELECT a FROM b";
        const LONG: &str =
            "UPDATE a SET b = \"c\"";
        fn f<'a>(c: char) -> bool { c == '"' || c == '\'' || run("DELETE FROM a") }
    "#;
    let mut literals = Vec::new();
    read("x.rs", source, &mut literals);
    let found: BTreeMap<&str, Option<&str>> =
        literals.iter().map(|l| (l.text.as_str(), l.constant.as_deref())).collect();
    let expected =
        [("SELECT a FROM b", Some("LIST")), ("UPDATE a SET b = \"c\"", Some("LONG")), ("DELETE FROM a", None)];
    assert_eq!(found, BTreeMap::from(expected));
    assert!(has_parameter("a = $1 AND b = $12", 12) && !has_parameter("b = $12", 1));
}
