//! A list of things to do, over JSON.
//!
//! ```sh
//! cargo run --release --example rest_json
//! curl -H 'Content-Type: application/json' -d '{"title":"buy bread"}' http://127.0.0.1:8080/todos
//! curl 'http://127.0.0.1:8080/todos?done=false'
//! curl -X PUT -H 'Content-Type: application/json' -d '{"title":"buy bread","done":true}' http://127.0.0.1:8080/todos/1
//! curl -X DELETE http://127.0.0.1:8080/todos/1
//! ```

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use http::StatusCode;
use serde::{Deserialize, Serialize};
use wireworks::server::http::RunError;
use wireworks::server::http::problem::Problem;
use wireworks::server::http::request::Request;
use wireworks::server::http::response::{Json, Response};
use wireworks::server::http::router::Router;

#[derive(Clone, Deserialize, Serialize)]
struct Todo {
    #[serde(skip_deserializing)]
    id: u64,
    title: String,
    #[serde(default)]
    done: bool,
}

#[derive(Deserialize)]
struct Filter {
    done: Option<bool>,
}

/// What all requests share.
#[derive(Clone, Default)]
struct Todos(Arc<Mutex<BTreeMap<u64, Todo>>>);

impl Todos {
    fn lock(&self) -> MutexGuard<'_, BTreeMap<u64, Todo>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn list(self, request: Request) -> Result<Json<Vec<Todo>>, Problem> {
        let filter: Filter = request.query()?;
        let todos = self.lock().values().cloned().collect::<Vec<_>>();
        let wanted = |todo: &Todo| filter.done.is_none_or(|done| todo.done == done);
        Ok(Json(todos.into_iter().filter(wanted).collect()))
    }

    async fn add(self, mut request: Request) -> Result<(StatusCode, Json<Todo>), Problem> {
        let mut todo: Todo = request.json().await?;
        if todo.title.is_empty() {
            return Err(Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "a thing to do has a title"));
        }
        let mut todos = self.lock();
        todo.id = todos.last_key_value().map_or(1, |(last, _)| last + 1);
        todos.insert(todo.id, todo.clone());
        Ok((StatusCode::CREATED, Json(todo)))
    }

    async fn replace(self, mut request: Request) -> Result<Json<Todo>, Problem> {
        let id: u64 = request.param("id")?;
        let new: Todo = request.json().await?;
        let mut todos = self.lock();
        let todo = todos.get_mut(&id).ok_or_else(Problem::not_found)?;
        *todo = Todo { id, ..new };
        Ok(Json(todo.clone()))
    }

    async fn remove(self, request: Request) -> Result<Response, Problem> {
        let id: u64 = request.param("id")?;
        self.lock().remove(&id).ok_or_else(Problem::not_found)?;
        Ok(Response::empty(StatusCode::NO_CONTENT))
    }
}

/// A handler that has the list at hand.
fn with<F, Fut>(todos: &Todos, handler: F) -> impl Fn(Request) -> Fut + use<F, Fut>
where
    F: Fn(Todos, Request) -> Fut,
{
    let todos = todos.clone();
    move |request| handler(todos.clone(), request)
}

fn main() -> Result<(), RunError> {
    let address = std::env::args().nth(1).unwrap_or("127.0.0.1:8080".to_owned());
    let todos = Todos::default();
    let router = Router::new()
        .get("/todos", with(&todos, Todos::list))
        .post("/todos", with(&todos, Todos::add))
        .put("/todos/{id}", with(&todos, Todos::replace))
        .delete("/todos/{id}", with(&todos, Todos::remove));
    wireworks::server::http::run(&address, router)
}
