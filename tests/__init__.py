"Tests of fasthtml_ws that are not lessons: long case tables, servers, browsers, fuzzing, and the project itself."
