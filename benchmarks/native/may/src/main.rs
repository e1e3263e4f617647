//! A constant answer by may_minihttp, with one scheduler thread.
use may_minihttp::{HttpServer, HttpService, Request, Response};
use std::io;

#[derive(Clone)]
struct Pong;

impl HttpService for Pong {
    fn call(&mut self, _req: Request, res: &mut Response) -> io::Result<()> {
        res.header("Content-Type: text/plain; charset=utf-8");
        res.body("pong");
        Ok(())
    }
}

fn main() {
    let port = std::env::args().nth(1).expect("a port");
    may::config().set_workers(1);
    HttpServer(Pong).start(format!("127.0.0.1:{port}")).unwrap().join().unwrap();
}
