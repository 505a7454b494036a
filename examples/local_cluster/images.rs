//! What nodes of the task runtime can run: a web server that tells where it runs, a shell, and nothing.

use std::convert::Infallible;

use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use orch::runtime::task::{Context, TaskImages};

use crate::shell;

/// Where `echo` listens.
const PORT: u16 = 8080;

/// Registers every image.
pub fn register(images: &TaskImages) -> anyhow::Result<()> {
    images.register("orch.local/echo", echo)?;
    images.register("orch.local/shell", shell::run)?;
    for name in ["pause", "registry.k8s.io/pause:3.10"] {
        images.register(name, |ctx: Context| async move { ctx.stopped().await })?;
    }
    Ok(())
}

/// Answers every request with the pod's host name, address and environment.
async fn echo(ctx: Context) -> std::io::Result<()> {
    let mut listener = ctx.listen(PORT).await?;
    loop {
        let (stream, peer) = tokio::select! {
            biased;
            () = ctx.stopped() => return Ok(()),
            accepted = listener.accept() => accepted?,
        };
        let about = ctx.clone();
        ctx.spawn(async move {
            let service = service_fn(move |request: Request<Incoming>| {
                about.log(&format!("{peer} {} {}", request.method(), request.uri()));
                let text = answer(&about);
                async move { Ok::<_, Infallible>(Response::new(Full::new(Bytes::from(text)))) }
            });
            // A client that goes away ends its own connection only.
            let _ = hyper::server::conn::http1::Builder::new()
                .serve_connection(TokioIo::new(stream), service)
                .await;
        });
    }
}

fn answer(ctx: &Context) -> String {
    let mut text = format!("hostname: {}\naddress: {}\n", ctx.hostname(), ctx.address());
    for (name, value) in ctx.vars() {
        text.push_str(&format!("{name}={value}\n"));
    }
    text
}
