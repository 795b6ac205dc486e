\echo Use "ALTER EXTENSION zdm UPDATE" to load this file. \quit
