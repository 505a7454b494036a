//! The images: small real servers. A database that counts, and a web server that asks it.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use hyper::{Method, StatusCode};
use orch::runtime::task::{Context, TaskImages};
use tokio::sync::Notify;

use crate::http;

/// What a web server panics with when it is asked to crash.
pub const CRASH: &str = "asked to crash";

/// Where both listen.
const PORT: u16 = 8080;

/// Registers every image of the example.
pub fn register(images: &TaskImages) -> anyhow::Result<()> {
    images.register("shop/db:1", database)?;
    images.register("shop/web:1", |ctx| web(ctx, "v1"))?;
    images.register("shop/web:2", |ctx| web(ctx, "v2"))?;
    images.register("shop/web:broken", |ctx: Context| async move {
        ctx.log("cannot read the configuration");
        Err::<(), _>(std::io::Error::other("broken on purpose"))
    })?;
    Ok(())
}

/// The value that follows a flag among the arguments.
fn flag(ctx: &Context, name: &str) -> std::io::Result<String> {
    let args = ctx.args();
    let at = args.iter().position(|arg| &**arg == name);
    at.and_then(|at| args.get(at + 1))
        .map(|value| value.to_string())
        .ok_or_else(|| std::io::Error::other(format!("{name} is missing among the arguments")))
}

/// Counts in a file on its claim, so that the count outlives the pod. Refuses to start without its password.
async fn database(ctx: Context) -> std::io::Result<()> {
    let password = ctx.read_to_string(&flag(&ctx, "--password-file")?)?;
    if password != flag(&ctx, "--password")? {
        return Err(std::io::Error::other("the password as an argument differs from the one in the file"));
    }
    let file = "/var/lib/db/count";
    let stored = ctx.read_to_string(file).ok().and_then(|text| text.parse().ok()).unwrap_or(0);
    // Counted and written under one lock: what is in the file is never older than what was answered.
    let count = Arc::new(Mutex::new(stored));
    ctx.log(&format!("serving, count is {stored}"));
    let state = ctx.clone();
    http::serve(&ctx, PORT, move |method: Method, path: String| {
        let (count, ctx, password) = (Arc::clone(&count), state.clone(), password.clone());
        async move {
            match (method.as_str(), path.strip_prefix("/count/")) {
                (_, None) if path == "/ready" => (StatusCode::OK, "ready".into()),
                ("GET", None) if path == "/count" => (StatusCode::OK, held(&count).to_string()),
                ("POST", Some(given)) if given == password => {
                    let mut count = held(&count);
                    let now = *count + 1;
                    match ctx.write(file, now.to_string().as_bytes()) {
                        Ok(()) => {
                            *count = now;
                            (StatusCode::OK, now.to_string())
                        }
                        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, error.to_string()),
                    }
                }
                ("POST", Some(_)) => (StatusCode::FORBIDDEN, "wrong password".into()),
                _ => (StatusCode::NOT_FOUND, path),
            }
        }
    })
    .await
}

fn held(count: &Mutex<u64>) -> MutexGuard<'_, u64> {
    count.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Greets from its environment and its mounted configuration; `/count` asks the database by its DNS name; `/crash` ends
/// the process the hard way.
async fn web(ctx: Context, version: &'static str) -> std::io::Result<()> {
    let greeting = flag(&ctx, "--greeting")?;
    let motd = flag(&ctx, "--motd-file")?;
    let (state, crash) = (ctx.clone(), Arc::new(Notify::new()));
    let crashed = Arc::clone(&crash);
    let serving = http::serve(&ctx, PORT, move |_, path: String| {
        let (ctx, greeting, motd, crash) =
            (state.clone(), greeting.clone(), motd.clone(), Arc::clone(&crash));
        async move {
            let name = ctx.var("POD_NAME").unwrap_or_default();
            match path.as_str() {
                "/ready" | "/live" => (StatusCode::OK, "ok".into()),
                "/" => (StatusCode::OK, format!("{name} {version} {greeting}")),
                "/motd" => match ctx.read_to_string(&motd) {
                    Ok(text) => (StatusCode::OK, text),
                    Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, error.to_string()),
                },
                "/count" => match count(&ctx).await {
                    Ok(count) => (StatusCode::OK, format!("{name} {count}")),
                    Err(error) => (StatusCode::BAD_GATEWAY, format!("{error:#}")),
                },
                "/crash" => {
                    crash.notify_one();
                    std::future::pending().await
                }
                _ => (StatusCode::NOT_FOUND, path),
            }
        }
    });
    tokio::select! {
        biased;
        () = crashed.notified() => std::panic::panic_any(CRASH),
        served = serving => served,
    }
}

/// Counts one visit in the database, which has a name of its own.
async fn count(ctx: &Context) -> anyhow::Result<String> {
    let password = ctx.var("DB_PASSWORD").unwrap_or_default();
    let connection = ctx.connect("db-0.db:8080").await?;
    let (status, text) =
        http::request(connection, Method::POST, "db-0.db", &format!("/count/{password}")).await?;
    anyhow::ensure!(status == StatusCode::OK, "the database says {status}: {text}");
    Ok(text)
}
