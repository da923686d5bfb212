package storagetest

var streamTests = []named{}
