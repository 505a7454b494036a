//! A shell of one page: commands one after another, `&&`, `||`, `while … do … done`, quotes, `$NAME`, `>` and `>>`.
//!
//! Not POSIX: no pipes, no functions, no globs. It runs `echo`, `env`, `cat`, `ls`, `sleep`, `hostname`, `exit`, `true`,
//! `false`.

use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use orch::runtime::task::Context;

/// As shells say when there is no such command, and when a script makes no sense.
const NO_COMMAND: i32 = 127;
const NO_SENSE: i32 = 2;

/// Runs the container's command: `sh -c SCRIPT`, or one of the commands with its arguments. Without one it waits.
pub async fn run(ctx: Context) -> i32 {
    let argv: Vec<String> = ctx.command().iter().chain(ctx.args()).map(ToString::to_string).collect();
    let words: Vec<&str> = argv.iter().map(String::as_str).collect();
    let work = async {
        match words[..] {
            [] => {
                ctx.stopped().await;
                0
            }
            ["sh" | "/bin/sh", "-c" | "-ec" | "-xc", script, ..] => script_of(&ctx, script).await,
            _ => match command(&ctx, &argv, None).await {
                Done::Code(code) | Done::Exit(code) => code,
            },
        }
    };
    tokio::select! {
        biased;
        () = ctx.stopped(), if !words.is_empty() => 143,
        code = work => code,
    }
}

async fn script_of(ctx: &Context, script: &str) -> i32 {
    let tokens = match tokens(script) {
        Ok(tokens) => tokens,
        Err(why) => {
            ctx.log_error(&format!("sh: {why}"));
            return NO_SENSE;
        }
    };
    match list(ctx, &tokens).await {
        Done::Code(code) | Done::Exit(code) => code,
    }
}

/// How a command ended.
#[derive(Clone, Copy)]
enum Done {
    Code(i32),
    /// The whole script ends.
    Exit(i32),
}

/// A piece of a script.
#[derive(Clone, Debug, PartialEq)]
enum Token {
    /// Parts of a word: the text, and whether `$` means something in it.
    Word(Vec<(String, bool)>),
    /// `;` (also a line break), `&&`, `||`, `>`, `>>`.
    Sign(&'static str),
}

impl Token {
    fn is_word(&self, word: &str) -> bool {
        matches!(self, Self::Word(parts) if parts.len() == 1 && parts[0].0 == word && parts[0].1)
    }
}

fn tokens(script: &str) -> Result<Vec<Token>, String> {
    let mut tokens = Vec::new();
    let mut rest = script.chars().peekable();
    let mut word: Option<Vec<(String, bool)>> = None;
    while let Some(character) = rest.next() {
        let sign = match character {
            ';' | '\n' => Some(";"),
            '&' if rest.next_if_eq(&'&').is_some() => Some("&&"),
            '|' if rest.next_if_eq(&'|').is_some() => Some("||"),
            '>' if rest.next_if_eq(&'>').is_some() => Some(">>"),
            '>' => Some(">"),
            '&' | '|' | '<' | '(' | ')' | '`' => return Err(format!("{character:?} is not known here")),
            _ => None,
        };
        if sign.is_some() || character.is_whitespace() {
            tokens.extend(word.take().map(Token::Word));
            tokens.extend(sign.map(Token::Sign));
            continue;
        }
        let word = word.get_or_insert_default();
        match character {
            '\'' | '"' => {
                let mut text = String::new();
                loop {
                    match rest.next() {
                        Some(end) if end == character => break,
                        Some(other) => text.push(other),
                        None => return Err(format!("no closing {character}")),
                    }
                }
                word.push((text, character == '"'));
            }
            '\\' => word.push((rest.next().into_iter().collect(), false)),
            _ => match word.last_mut().filter(|(_, is_open)| *is_open) {
                Some((text, _)) => text.push(character),
                None => word.push((character.to_string(), true)),
            },
        }
    }
    tokens.extend(word.take().map(Token::Word));
    Ok(tokens)
}

/// Runs commands one after another.
fn list<'a>(ctx: &'a Context, tokens: &'a [Token]) -> Pin<Box<dyn Future<Output = Done> + Send + 'a>> {
    Box::pin(async move {
        let (mut code, mut at, mut before) = (0, 0, ";");
        while at < tokens.len() {
            let end = end_of(tokens, at);
            let skipped = before == "&&" && code != 0 || before == "||" && code == 0;
            if !skipped && end > at {
                match one(ctx, &tokens[at..end]).await {
                    Done::Code(done) => code = done,
                    exit @ Done::Exit(_) => return exit,
                }
            }
            before = match tokens.get(end) {
                Some(Token::Sign(sign)) => sign,
                _ => ";",
            };
            at = end + 1;
        }
        Done::Code(code)
    })
}

/// Where a command ends; a loop ends behind its `done`.
fn end_of(tokens: &[Token], from: usize) -> usize {
    let mut depth = 0_usize;
    for (at, token) in tokens.iter().enumerate().skip(from) {
        if token.is_word("while") {
            depth += 1;
        } else if token.is_word("done") {
            depth = depth.saturating_sub(1);
        } else if depth == 0 && matches!(token, Token::Sign(";" | "&&" | "||")) {
            return at;
        }
    }
    tokens.len()
}

async fn one(ctx: &Context, tokens: &[Token]) -> Done {
    if !tokens[0].is_word("while") {
        return simple(ctx, tokens).await;
    }
    let inner = &tokens[1..tokens.len() - 1];
    let Some(at) = inner.iter().position(|token| token.is_word("do")) else {
        ctx.log_error("sh: while without do");
        return Done::Exit(NO_SENSE);
    };
    loop {
        match list(ctx, &inner[..at]).await {
            Done::Code(0) => {}
            Done::Code(_) => return Done::Code(0),
            exit @ Done::Exit(_) => return exit,
        }
        if let exit @ Done::Exit(_) = list(ctx, &inner[at + 1..]).await {
            return exit;
        }
        // A loop that never waits must not keep its thread.
        tokio::task::yield_now().await;
    }
}

async fn simple(ctx: &Context, tokens: &[Token]) -> Done {
    let (mut argv, mut output) = (Vec::new(), None);
    let mut rest = tokens.iter();
    while let Some(token) = rest.next() {
        match token {
            Token::Word(parts) => argv.push(expanded(ctx, parts)),
            Token::Sign(sign) => match rest.next() {
                Some(Token::Word(parts)) => output = Some((expanded(ctx, parts), *sign == ">>")),
                _ => {
                    ctx.log_error(&format!("sh: {sign} without a file"));
                    return Done::Exit(NO_SENSE);
                }
            },
        }
    }
    command(ctx, &argv, output).await
}

fn expanded(ctx: &Context, parts: &[(String, bool)]) -> String {
    let one = |(text, is_open): &(String, bool)| if *is_open { variables(ctx, text) } else { text.clone() };
    parts.iter().map(one).collect()
}

fn variables(ctx: &Context, text: &str) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('$') {
        out.push_str(before);
        let braced = after.strip_prefix('{').and_then(|inside| inside.split_once('}'));
        let (name, next) = braced.unwrap_or_else(|| {
            let end = after.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(after.len());
            after.split_at(end)
        });
        match name {
            "" => out.push('$'),
            name => out.push_str(ctx.var(name).unwrap_or_default()),
        }
        rest = next;
    }
    out.push_str(rest);
    out
}

async fn command(ctx: &Context, argv: &[String], output: Option<(String, bool)>) -> Done {
    let words: Vec<&str> = argv.iter().map(String::as_str).collect();
    let said = match words[..] {
        [] => Ok(String::new()),
        ["true" | ":", ..] => Ok(String::new()),
        ["false", ..] => Err((1, String::new())),
        ["echo", ref words @ ..] => Ok(format!("{}\n", words.join(" "))),
        ["hostname"] => Ok(format!("{}\n", ctx.hostname())),
        ["env"] => Ok(ctx.vars().iter().map(|(name, value)| format!("{name}={value}\n")).collect()),
        ["cat", ref paths @ ..] => cat(ctx, paths),
        ["ls", ref paths @ ..] => ls(ctx, paths),
        ["sleep", secs] => match secs.trim_end_matches('s').parse().map(Duration::try_from_secs_f64) {
            Ok(Ok(duration)) => {
                ctx.sleep(duration).await;
                Ok(String::new())
            }
            _ if secs == "infinity" => {
                std::future::pending::<()>().await;
                Ok(String::new())
            }
            _ => Err((1, format!("sleep: invalid time {secs:?}"))),
        },
        ["exit"] => return Done::Exit(0),
        ["exit", code] => return Done::Exit(code.parse().unwrap_or(NO_SENSE)),
        [name, ..] => Err((NO_COMMAND, format!("sh: {name}: not found"))),
    };
    match said {
        Ok(text) => Done::Code(shown(ctx, &text, output)),
        Err((code, why)) => {
            if !why.is_empty() {
                ctx.log_error(&why);
            }
            Done::Code(code)
        }
    }
}

/// Writes what a command said to the log or to a file.
fn shown(ctx: &Context, text: &str, output: Option<(String, bool)>) -> i32 {
    let Some((path, appends)) = output else {
        if !text.is_empty() {
            ctx.log(text.strip_suffix('\n').unwrap_or(text));
        }
        return 0;
    };
    let before = if appends { ctx.read_to_string(&path).unwrap_or_default() } else { String::new() };
    match ctx.write(&path, format!("{before}{text}")) {
        Ok(()) => 0,
        Err(error) => {
            ctx.log_error(&format!("sh: {path}: {error}"));
            1
        }
    }
}

type Said = Result<String, (i32, String)>;

fn cat(ctx: &Context, paths: &[&str]) -> Said {
    let read = |path: &&str| ctx.read_to_string(path).map_err(|error| (1, format!("cat: {path}: {error}")));
    paths.iter().map(read).collect()
}

fn ls(ctx: &Context, paths: &[&str]) -> Said {
    let paths: Vec<&&str> = paths.iter().filter(|path| !path.starts_with('-')).collect();
    let path = paths.first().map_or(".", |path| **path);
    let failed = |error: std::io::Error| (2, format!("ls: {path}: {error}"));
    let entries = std::fs::read_dir(ctx.path(path).map_err(failed)?).map_err(failed)?;
    let mut names: Vec<String> =
        entries.flatten().map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
    names.sort();
    Ok(names.iter().map(|name| format!("{name}\n")).collect())
}
