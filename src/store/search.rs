//! Full-text search over sealed messages: there is no plain index on the disk, so messages are opened one after
//! the other, newest first, and reported as they are found.

use std::{
    ops::ControlFlow,
    sync::atomic::{AtomicBool, Ordering},
};

use super::{MessageRecord, Query, SearchEnd, Store, StoreError, value::ReadError};
use crate::wire::Conversation;

impl Store {
    /// Messages that contain all words of `text`, in either case, newest first, in all conversations or one.
    /// `emit` gets each as it is found and may break off; `cancel` ends the search from another thread.
    ///
    /// # Errors
    /// When the store fails; damaged messages are skipped and counted.
    pub fn search(
        &self,
        text: &str,
        conversation: Option<&Conversation>,
        cancel: &AtomicBool,
        mut emit: impl FnMut(u64, MessageRecord) -> ControlFlow<()>,
    ) -> Result<SearchEnd, StoreError> {
        let words: Vec<String> = text.split_whitespace().map(str::to_lowercase).collect();
        let mut end = SearchEnd { scanned: 0, hits: 0, complete: true, damaged: 0 };
        if words.is_empty() {
            return Ok(end);
        }
        let query = Query { conversation: conversation.cloned(), ..Query::default() };
        for position in self.positions(&query, true)? {
            if cancel.load(Ordering::Relaxed) {
                end.complete = false;
                break;
            }
            let position = position?;
            end.scanned += 1;
            match self.message_at(position) {
                Ok(Some(record)) => {
                    let content = record.content.to_lowercase();
                    if words.iter().all(|word| content.contains(word.as_str())) {
                        end.hits += 1;
                        if emit(position, record).is_break() {
                            end.complete = false;
                            break;
                        }
                    }
                }
                Ok(None) => {}
                Err(ReadError::Value) => end.damaged += 1,
                Err(ReadError::Engine(error)) => return Err(error.into()),
            }
        }
        Ok(end)
    }
}
