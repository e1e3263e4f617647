//! A constant answer by actix-web, with one worker.
use actix_web::http::header::ContentType;
use actix_web::{get, App, HttpResponse, HttpServer};

#[get("/ping")]
async fn ping() -> HttpResponse {
    HttpResponse::Ok().content_type(ContentType::plaintext()).body("pong")
}

#[actix_web::main]
async fn main() -> std::io::Result<()> {
    let port: u16 = std::env::args().nth(1).expect("a port").parse().expect("a port");
    HttpServer::new(|| App::new().service(ping)).workers(1).bind(("127.0.0.1", port))?.run().await
}
