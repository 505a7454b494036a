//! Schedulers of orch: the framework, its plugins and the scheduling loop
