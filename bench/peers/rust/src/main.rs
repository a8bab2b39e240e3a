//! The injection by hand in Rust: axum, rustls and serde, structs that borrow from the request, a patch written as text.
//!
//! It checks none of what dind-webhook checks, and has neither metrics nor a log line per request.

mod injection;
mod pod;

use std::{borrow::Cow, env, error::Error, net::SocketAddr};

use axum::{
    Router,
    body::Bytes,
    extract::State,
    http::{StatusCode, header::CONTENT_TYPE},
    response::{IntoResponse, Response},
    routing::post,
};
use axum_server::tls_rustls::RustlsConfig;
use base64::{Engine, prelude::BASE64_STANDARD};
use serde::Deserialize;

use injection::{Additions, write_patch};
use pod::Pod;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

#[derive(Deserialize)]
struct Review<'a> {
    #[serde(borrow)]
    request: Request<'a>,
}

#[derive(Deserialize)]
struct Request<'a> {
    #[serde(borrow)]
    uid: Cow<'a, str>,
    #[serde(borrow)]
    object: Pod<'a>,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let additions: &'static Additions = Box::leak(Box::new(Additions::read(&env::var("ADDITIONS")?)?));
    let address: SocketAddr = format!("{}:{}", env::var("HOST")?, env::var("PORT")?).parse()?;
    let tls = RustlsConfig::from_pem_file(env::var("TLS_CERT")?, env::var("TLS_KEY")?).await?;
    let app = Router::new().route("/mutate", post(mutate)).with_state(additions);
    axum_server::bind_rustls(address, tls).serve(app.into_make_service()).await?;
    Ok(())
}

async fn mutate(State(additions): State<&'static Additions>, body: Bytes) -> Response {
    match answer(&body, additions) {
        Ok(answer) => ([(CONTENT_TYPE, "application/json")], answer).into_response(),
        Err(error) => (StatusCode::BAD_REQUEST, error.to_string()).into_response(),
    }
}

fn answer(body: &[u8], additions: &Additions) -> serde_json::Result<String> {
    let request = serde_json::from_slice::<Review>(body)?.request;
    let uid = serde_json::to_string(&request.uid)?;
    let mut answer = format!(
        r#"{{"apiVersion":"admission.k8s.io/v1","kind":"AdmissionReview","response":{{"uid":{uid},"allowed":true"#
    );
    if let Some(patch) = write_patch(&request.object, additions)? {
        answer.push_str(r#","patchType":"JSONPatch","patch":""#);
        BASE64_STANDARD.encode_string(patch, &mut answer);
        answer.push('"');
    }
    answer.push_str("}}");
    Ok(answer)
}
