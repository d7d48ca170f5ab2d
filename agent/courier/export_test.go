package courier

// AnswerAs posts an answer to the agent that signed with a key.
var AnswerAs = (*Courier).post
