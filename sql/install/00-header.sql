/* pg_segment: customer segmentation inside PostgreSQL */

-- complain if script is sourced in psql, rather than via CREATE EXTENSION
\echo Use "CREATE EXTENSION pg_segment" to load this file. \quit

GRANT USAGE ON SCHEMA segment TO PUBLIC;

