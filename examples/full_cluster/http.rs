//! HTTP over the cluster's network: hyper on connections that the cluster opens.

use std::convert::Infallible;
use std::future::Future;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use http_body_util::{BodyExt, Full};
use hyper::body::{Bytes, Incoming};
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use orch::network::Connection;
use orch::runtime::task::Context;

/// Answers a request by a status and a text.
pub type Answer = (StatusCode, String);

/// Serves HTTP at a port of the pod until the container is told to stop; then lets the open connections end.
pub async fn serve<F, Fut>(ctx: &Context, port: u16, handler: F) -> std::io::Result<()>
where
    F: Fn(Method, String) -> Fut + Clone + Send + Sync + 'static,
    Fut: Future<Output = Answer> + Send,
{
    let mut listener = ctx.listen(port).await?;
    loop {
        let (stream, _) = tokio::select! {
            biased;
            () = ctx.stopped() => return Ok(()),
            accepted = listener.accept() => accepted?,
        };
        let (handler, stop) = (handler.clone(), ctx.clone());
        ctx.spawn(async move {
            let service = service_fn(move |request: Request<Incoming>| {
                let answer = handler(request.method().clone(), request.uri().path().to_owned());
                async move {
                    let (status, text) = answer.await;
                    let mut response = Response::new(Full::new(Bytes::from(text)));
                    *response.status_mut() = status;
                    Ok::<_, Infallible>(response)
                }
            });
            let connection =
                hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service);
            tokio::pin!(connection);
            tokio::select! {
                biased;
                _ = &mut connection => {}
                () = stop.stopped() => {
                    connection.as_mut().graceful_shutdown();
                    let _ = connection.await;
                }
            }
        });
    }
}

/// One request on a connection of its own.
pub async fn request(connection: Connection, method: Method, host: &str, path: &str) -> Result<Answer> {
    let (mut sender, driver) = hyper::client::conn::http1::handshake(TokioIo::new(connection)).await?;
    let exchange = async move {
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header("host", host)
            .header("connection", "close")
            .body(Full::<Bytes>::default())?;
        let response = sender.send_request(request).await?;
        let status = response.status();
        let body = response.into_body().collect().await?.to_bytes();
        Ok::<_, anyhow::Error>((status, String::from_utf8_lossy(&body).into_owned()))
    };
    let (answer, _) = futures::future::join(exchange, driver).await;
    answer
}

/// The text of a successful answer, within a bound of time.
pub async fn fetch(
    connect: impl Future<Output = std::io::Result<Connection>>,
    host: &str,
    path: &str,
) -> Result<String> {
    let exchange = async {
        let connection = connect.await.context("connect")?;
        request(connection, Method::GET, host, path).await
    };
    match tokio::time::timeout(Duration::from_secs(10), exchange).await {
        Ok(Ok((StatusCode::OK, text))) => Ok(text),
        Ok(Ok((status, text))) => bail!("{status}: {text}"),
        Ok(Err(error)) => Err(error),
        Err(_) => bail!("no answer within ten seconds"),
    }
}
