// the client script
